//! The elements of HTML and what their names say.

macro_rules! tags {
    ($($variant:ident $name:literal)*) => {
        /// An element, or text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Tag {
            /// Text with character references.
            Text,
            /// Text as it is.
            Raw,
            /// An element with another name.
            Other,
            $($variant,)*
        }

        impl Tag {
            /// By its name, in any case of letters.
            pub fn of_name(name: &[u8]) -> Tag {
                let mut lower = [0u8; 14];
                let Some(lower) = lower.get_mut(..name.len()) else { return Tag::Other };
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                match &*lower {
                    $($name => Tag::$variant,)*
                    _ => Tag::Other,
                }
            }
        }

        /// How many there are.
        pub(super) const TAGS: usize = [Tag::Text, Tag::Raw, Tag::Other, $(Tag::$variant),*].len();
    };
}

tags! {
    A b"a" Abbr b"abbr" Address b"address" AnnotationXml b"annotation-xml" Area b"area" Article b"article" Aside b"aside" Audio b"audio" B b"b"
    Base b"base" Blockquote b"blockquote" Body b"body" Br b"br" Button b"button" Canvas b"canvas"
    Caption b"caption" Center b"center" Cite b"cite" Code b"code" Col b"col" Colgroup b"colgroup" Dd b"dd" Del b"del" Desc b"desc"
    Details b"details" Dialog b"dialog" Dir b"dir" Div b"div" Dl b"dl" Dt b"dt" Em b"em" Embed b"embed"
    Fieldset b"fieldset" Figcaption b"figcaption" Figure b"figure" Font b"font" Footer b"footer"
    ForeignObject b"foreignobject" Form b"form"
    Frame b"frame" Frameset b"frameset" H1 b"h1" H2 b"h2" H3 b"h3" H4 b"h4" H5 b"h5" H6 b"h6" Head b"head"
    Header b"header" Hgroup b"hgroup" Hr b"hr" Html b"html" I b"i" Iframe b"iframe" Img b"img" Input b"input"
    Label b"label" Legend b"legend" Li b"li" Link b"link" Listing b"listing" Main b"main" Map b"map" Mark b"mark"
    Math b"math" Menu b"menu" Meta b"meta" Mi b"mi" Mn b"mn" Mo b"mo" Ms b"ms" Mtext b"mtext" Nav b"nav" Nobr b"nobr" Noembed b"noembed" Noframes b"noframes"
    Noscript b"noscript" Object b"object" Ol b"ol" Optgroup b"optgroup" Option b"option" P b"p" Param b"param"
    Picture b"picture" Plaintext b"plaintext" Pre b"pre" Progress b"progress" Q b"q" Rp b"rp" Rt b"rt" Ruby b"ruby"
    S b"s" Samp b"samp" Script b"script" Search b"search" Section b"section" Select b"select" Small b"small"
    Source b"source" Span b"span" Strike b"strike" Strong b"strong" Style b"style" Sub b"sub" Summary b"summary"
    Sup b"sup" Svg b"svg" Table b"table" Tbody b"tbody" Td b"td" Template b"template" Textarea b"textarea"
    Tfoot b"tfoot" Th b"th" Thead b"thead" Time b"time" Title b"title" Tr b"tr" Track b"track" Tt b"tt" U b"u" Ul b"ul"
    Var b"var" Video b"video" Wbr b"wbr" Xmp b"xmp"
}

impl Tag {
    /// Has neither content nor an end tag.
    pub fn is_void(self) -> bool {
        use Tag::*;
        matches!(
            self,
            Area | Base
                | Br
                | Col
                | Embed
                | Hr
                | Img
                | Input
                | Link
                | Meta
                | Param
                | Source
                | Track
                | Wbr
                | Frame
        )
    }

    /// In `svg` or `math` it holds HTML (its integration points).
    pub fn holds_html(self) -> bool {
        use Tag::*;
        matches!(self, ForeignObject | Desc | Title | Mi | Mn | Mo | Ms | Mtext | AnnotationXml)
    }

    /// Its start ends `svg` and `math` around it (HTML section 13.2.6.5).
    pub fn ends_foreign(self) -> bool {
        use Tag::*;
        self.is_heading()
            || matches!(
                self,
                B | Blockquote
                    | Body
                    | Br
                    | Center
                    | Code
                    | Dd
                    | Div
                    | Dl
                    | Dt
                    | Em
                    | Embed
                    | Head
                    | Hr
                    | I
                    | Img
                    | Li
                    | Listing
                    | Menu
                    | Meta
                    | Nobr
                    | Ol
                    | P
                    | Pre
                    | Ruby
                    | S
                    | Small
                    | Span
                    | Strike
                    | Strong
                    | Sub
                    | Sup
                    | Table
                    | Tt
                    | U
                    | Ul
                    | Var
            )
    }

    /// May stand in the head of a page.
    pub fn is_of_head(self) -> bool {
        use Tag::*;
        matches!(self, Head | Title | Meta | Link | Base | Style | Script | Template | Noscript | Noframes)
    }

    /// Its content is text up to its end tag, whatever it looks like.
    pub fn is_raw(self) -> bool {
        use Tag::*;
        matches!(self, Script | Style | Textarea | Title | Xmp | Iframe | Noembed | Noframes | Plaintext)
    }

    pub fn is_heading(self) -> bool {
        self.heading_level() > 0
    }

    /// 1 to 6; 0 for all else.
    pub fn heading_level(self) -> usize {
        use Tag::*;
        match self {
            H1 => 1,
            H2 => 2,
            H3 => 3,
            H4 => 4,
            H5 => 5,
            H6 => 6,
            _ => 0,
        }
    }

    /// Its start ends an open paragraph (HTML section 13.2.6.4.7).
    pub fn ends_paragraph(self) -> bool {
        use Tag::*;
        self.is_heading()
            || matches!(
                self,
                Address
                    | Article
                    | Aside
                    | Blockquote
                    | Center
                    | Details
                    | Dialog
                    | Dir
                    | Div
                    | Dl
                    | Fieldset
                    | Figcaption
                    | Figure
                    | Footer
                    | Form
                    | Header
                    | Hgroup
                    | Hr
                    | Listing
                    | Main
                    | Menu
                    | Nav
                    | Ol
                    | P
                    | Plaintext
                    | Pre
                    | Search
                    | Section
                    | Summary
                    | Table
                    | Ul
                    | Xmp
            )
    }

    /// Text before and after it is in another line.
    pub fn is_block(self) -> bool {
        use Tag::*;
        self.ends_paragraph()
            || matches!(
                self,
                Html | Body
                    | Head
                    | Dd
                    | Dt
                    | Li
                    | Tr
                    | Td
                    | Th
                    | Thead
                    | Tbody
                    | Tfoot
                    | Caption
                    | Legend
                    | Option
                    | Optgroup
                    | Frameset
                    | Noscript
                    | Template
                    | Title
                    | Button
                    | Select
                    | Textarea
                    | Video
                    | Audio
                    | Iframe
                    | Object
            )
    }

    /// An end tag does not look for its start beyond this one.
    pub fn is_scope(self) -> bool {
        use Tag::*;
        matches!(self, Html | Table | Td | Th | Caption | Template | Object)
    }
}

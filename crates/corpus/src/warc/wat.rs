//! A record of a WAT file: what Common Crawl's crawler (archive-metadata-extractor) says of one record of a WARC file, as JSON:
//! `Envelope`, `Payload-Metadata`, `HTTP-Response-Metadata`, `HTML-Metadata` with `Head` and `Links`.
//!
//! What can be read of a page in it are its title, its description and the texts of its links. These are its text here, a
//! line each, in the order of the page. Images (`IMG@/src`), forms and scripts have no text that the page shows.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A page as a WAT record describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wat {
    /// Status code of the answer, such as 200.
    pub status: Option<u16>,
    /// `Content-Type` of the answer.
    pub content_type: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its meta description, or that of Open Graph where it has no other.
    pub description: Option<String>,
    /// Texts and addresses of its links (`A@/href`), in their order; a text may be empty.
    pub links: Vec<(String, String)>,
    /// File and offset of the WARC record that it describes.
    pub of: Option<(String, u64)>,
    /// Whether the answer was HTML.
    pub html: bool,
}

impl Wat {
    /// Read the block of a record. None if it describes no answer of a server: a request, say.
    ///
    /// # Errors
    /// In the words of the JSON reader.
    pub fn parse(json: &str) -> Result<Option<Wat>, serde_json::Error> {
        let record: Record = serde_json::from_str(json)?;
        let Some(answer) = record.envelope.and_then(|e| e.payload).and_then(|p| p.answer) else {
            return Ok(None);
        };
        let container = record.container.unwrap_or_default();
        let of = match (container.file.text(), container.offset.text().and_then(|n| n.parse().ok())) {
            (Some(file), Some(offset)) => Some((file, offset)),
            _ => None,
        };
        let headers = answer.headers.unwrap_or_default();
        let status = answer.message.unwrap_or_default().status.text();
        let mut wat = Wat {
            status: status.and_then(|s| s.split_whitespace().next().and_then(|n| n.parse().ok())),
            content_type: headers.content_type.text().or(headers.lower.text()),
            of,
            html: answer.html.is_some(),
            ..Wat::default()
        };
        let Html { head, links } = answer.html.unwrap_or_default();
        let head = head.unwrap_or_default();
        wat.title = head.title.text().map(|title| line(&title)).filter(|title| !title.is_empty());
        let described = |wanted: &str| {
            let mut metas = head.metas.iter().flatten();
            let fits = |name: &Word| name.0.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            let meta = metas.find(|meta| fits(&meta.name) || fits(&meta.property))?;
            meta.content.0.as_deref().map(line).filter(|text| !text.is_empty())
        };
        wat.description = described("description").or_else(|| described("og:description"));
        let anchors = links.into_iter().flatten().filter(|link| link.path.0.as_deref() == Some("A@/href"));
        wat.links = anchors
            .map(|link| (line(&link.text.text().unwrap_or_default()), link.url.text().unwrap_or_default()))
            .collect();
        Ok(Some(wat))
    }

    /// Title, description and the texts of the links, a line each; none if there is nothing to read.
    pub fn text(&self) -> Option<String> {
        let links = self.links.iter().map(|(text, _)| text);
        let lines: Vec<&str> = self
            .title
            .iter()
            .chain(&self.description)
            .chain(links)
            .map(String::as_str)
            .filter(|line| !line.is_empty())
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// A text on one line: runs of white space are one space.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text or number, or something else, which counts as nothing.
#[derive(Default)]
struct Word(Option<String>);

impl Word {
    fn text(self) -> Option<String> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Text(String),
            Number(u64),
            Other(IgnoredAny),
        }
        Ok(Word(match Any::deserialize(deserializer)? {
            Any::Text(text) => Some(text),
            Any::Number(number) => Some(number.to_string()),
            Any::Other(_) => None,
        }))
    }
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "Container", default)]
    container: Option<Container>,
    #[serde(rename = "Envelope", default)]
    envelope: Option<Envelope>,
}

#[derive(Default, Deserialize)]
struct Container {
    #[serde(rename = "Filename", default)]
    file: Word,
    #[serde(rename = "Offset", default)]
    offset: Word,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Payload-Metadata", default)]
    payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "HTTP-Response-Metadata", default)]
    answer: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Response-Message", default)]
    message: Option<Message>,
    #[serde(rename = "Headers", default)]
    headers: Option<Headers>,
    #[serde(rename = "HTML-Metadata", default)]
    html: Option<Html>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(rename = "Status", default)]
    status: Word,
}

#[derive(Default, Deserialize)]
struct Headers {
    #[serde(rename = "Content-Type", default)]
    content_type: Word,
    #[serde(rename = "content-type", default)]
    lower: Word,
}

#[derive(Default, Deserialize)]
struct Html {
    #[serde(rename = "Head", default)]
    head: Option<Head>,
    #[serde(rename = "Links", default)]
    links: Option<Vec<Link>>,
}

#[derive(Default, Deserialize)]
struct Head {
    #[serde(rename = "Title", default)]
    title: Word,
    #[serde(rename = "Metas", default)]
    metas: Option<Vec<Meta>>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    name: Word,
    #[serde(default)]
    property: Word,
    #[serde(default)]
    content: Word,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    path: Word,
    #[serde(default)]
    url: Word,
    #[serde(default)]
    text: Word,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_is_its_title_description_and_link_texts() {
        let json = r#"{"Container":{"Filename":"CC.warc.gz","Offset":"1234","Compressed":true},
            "Envelope":{"Format":"WARC","WARC-Header-Metadata":{"WARC-Target-URI":"http://a.org/"},
            "Payload-Metadata":{"HTTP-Response-Metadata":{"Response-Message":{"Status":"200"},
            "Headers":{"content-type":"text/html"},
            "HTML-Metadata":{"Head":{"Title":" A \n page ","Metas":[{"property":"og:description","content":"of OG"},
              {"name":"Description","content":"What it is."},{"name":"x","content":["no text"]}],
              "Link":[{"path":"LINK@/href","url":"/i.ico"}]},
            "Links":[{"path":"A@/href","url":"/one","text":"One\tlink"},{"path":"IMG@/src","url":"/i.png","alt":"Bild"},
              {"path":"A@/href","url":"/two"},{"path":"A@/href","url":"/three","text":"Drei é"}]}}}}}"#;
        let wat = Wat::parse(json).unwrap().unwrap();
        assert_eq!(wat.text().unwrap(), "A page\nWhat it is.\nOne link\nDrei é");
        assert_eq!((wat.status, wat.html), (Some(200), true));
        assert_eq!(wat.content_type.as_deref(), Some("text/html"));
        assert_eq!(wat.of, Some(("CC.warc.gz".into(), 1234)));
        assert_eq!(wat.links.len(), 3);
        assert_eq!(wat.links[1], (String::new(), "/two".into()));
    }

    #[test]
    fn what_is_no_page_has_no_text() {
        let request = r#"{"Envelope":{"Payload-Metadata":{"HTTP-Request-Metadata":{}}}}"#;
        assert_eq!(Wat::parse(request).unwrap(), None);
        let image = r#"{"Envelope":{"Payload-Metadata":{"HTTP-Response-Metadata":{"Headers":{"Content-Type":"image/png"}}}}}"#;
        let image = Wat::parse(image).unwrap().unwrap();
        assert_eq!(
            (image.text(), image.html, image.content_type.as_deref()),
            (None, false, Some("image/png"))
        );
        assert!(Wat::parse("{\"Envelope\": ").is_err());
        assert!(Wat::parse(&"{\"Envelope\":".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused(words in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"Envelope\"", "\"Payload-Metadata\"", "\"HTTP-Response-Metadata\"", "\"HTML-Metadata\"",
            "\"Head\"", "\"Title\"", "\"Links\"", "1", "null", "\"x\"", "\"\\ud800\"",
        ]), 0..30)) {
            if let Ok(Some(wat)) = Wat::parse(&words.concat()) {
                wat.text();
            }
        }
    }
}

//! One page that shows what a corpus kept and dropped and why: no script, no request, light and dark.

mod examples;
mod histogram;
mod html;
mod text;

use regimen_base::units;

use self::examples::Chosen;
use self::histogram::{BARS, HATCH, draw};
use self::html::Html;
use super::error::Result;
use super::histogram::histograms;
use super::labels::{Labels, labels};
use super::measure::{Measure, measures};
use super::originals::{Absent, Originals};
use super::stats::clusters;
use super::task::Task;
use crate::corpus::Corpus;

const STYLE: &str = include_str!("style.css");
/// No script, no request to anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Largest clusters that are shown.
const CLUSTERS: usize = 5;
/// Labels of one attribute that are shown.
const LABELS: usize = 20;
/// Most examples of a reason.
const EXAMPLES: usize = 8;

/// The page of the corpus called `title`, with up to `examples` documents for every reason (8 at most); and the
/// documents of these whose source text could not be had, which the page says too.
///
/// # Errors
/// [`super::Error::Corpus`] for a damaged corpus.
pub fn page(
    corpus: &Corpus,
    originals: &Originals,
    title: &str,
    examples: usize,
) -> Result<(String, Vec<Absent>)> {
    let measures = measures(corpus, originals)?;
    let largest = clusters(corpus, CLUSTERS).largest;
    let chosen = Chosen::new(corpus, originals, &measures, examples.min(EXAMPLES), largest)?;
    let texts = chosen.texts(corpus, originals)?;
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").raw(POLICY).raw("\"/>");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    html.leaf("title", &format!("{title} \u{b7} corpus"))
        .raw("<style>")
        .raw(STYLE)
        .raw("</style></head><body>\n<header>");
    html.leaf("h1", title);
    let funnel = corpus.funnel()?;
    let kept = funnel.kept();
    html.leaf(
        "p class=\"soft\"",
        &format!(
            "{} kept of {} read, {} of text",
            units::plural(kept.documents, "document"),
            corpus.len(),
            units::bytes(kept.bytes)
        ),
    );
    html.raw("<nav aria-label=\"Sections\"><p>");
    let labels = labels(corpus)?;
    let sections = [
        ("funnel", "Funnel", true),
        ("labels", "Labels", !labels.is_empty()),
        ("measures", "Measures", true),
        ("examples", "Examples", true),
        ("copies", "Copies", true),
    ];
    for (id, name, _) in sections.into_iter().filter(|section| section.2) {
        html.raw(&format!("<a href=\"#{id}\">{name}</a> "));
    }
    html.raw("</p></nav></header><main>\n");
    steps(corpus, &mut html)?;
    found(&labels, &mut html);
    pictures(corpus, &measures, &mut html)?;
    chosen.write(&texts, &mut html)?;
    html.raw("</main><footer>").leaf("p", concat!("Regimen ", env!("CARGO_PKG_VERSION"), "."));
    html.raw("</footer></body></html>\n");
    Ok((html.0, texts.absent))
}

fn steps(corpus: &Corpus, html: &mut Html) -> Result<()> {
    let funnel = corpus.funnel()?;
    let most = funnel.steps.first().map_or(1, |step| step.left.documents).max(1) as f64;
    html.raw("<section id=\"funnel\"><h2>Funnel</h2><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Funnel\"><table><thead><tr><th>step</th>");
    html.raw("<th class=\"n\">dropped</th><th class=\"n\">left</th><th class=\"n minor\">text left</th>");
    html.raw("<th class=\"minor\">share left</th></tr></thead><tbody>");
    for step in &funnel.steps {
        html.raw("<tr><td>").leaf("code", &step.step);
        if !step.reason.is_empty() {
            html.raw("<br/>").leaf("span class=\"small\"", &step.reason);
        }
        html.raw("</td>").leaf("td class=\"n\"", &step.dropped.documents.to_string());
        html.leaf("td class=\"n\"", &step.left.documents.to_string());
        html.leaf("td class=\"n minor\"", &units::bytes(step.left.bytes));
        let share = 100.0 * step.left.documents as f64 / most;
        html.raw(&format!(
            "<td class=\"minor\"><span class=\"track\"><i style=\"width:{share:.1}%\"></i></span></td></tr>"
        ));
    }
    html.raw("</tbody></table></div>");
    if funnel.limited {
        html.leaf("p class=\"small\"", "Reading stopped at limit_bytes; later documents were not read.");
    }
    html.raw("</section>\n");
    Ok(())
}

/// A table of every attribute that is a label, such as the language.
fn found(all: &[Labels], html: &mut Html) {
    if all.is_empty() {
        return;
    }
    html.raw("<section id=\"labels\"><h2>Labels</h2>");
    for one in all {
        html.raw("<h3>").leaf("code", &one.name).raw("</h3>");
        html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Labels\"><table><thead><tr><th>label</th>");
        html.raw("<th class=\"n\">kept</th><th class=\"n\">dropped</th><th class=\"n minor\">text kept</th></tr></thead><tbody>");
        let sorted = one.sorted();
        for (name, counts) in sorted.iter().take(LABELS) {
            html.raw("<tr><td>").leaf("code", name).raw("</td>");
            html.leaf("td class=\"n\"", &counts.kept.documents.to_string());
            html.leaf("td class=\"n\"", &counts.dropped.documents.to_string());
            html.leaf("td class=\"n minor\"", &units::bytes(counts.kept.bytes)).raw("</tr>");
        }
        html.raw("</tbody></table></div>");
        if let Some(more) = sorted.len().checked_sub(LABELS).filter(|&more| more > 0) {
            let more = format!("{} more with less text.", units::plural(more as u64, "label"));
            html.leaf("p class=\"small\"", &more);
        }
    }
    html.raw("</section>\n");
}

fn pictures(corpus: &Corpus, measures: &[Measure], html: &mut Html) -> Result<()> {
    html.raw(HATCH);
    html.raw("<section id=\"measures\"><h2>Measures</h2><p class=\"key small\"><span><i class=\"kept\"></i>kept</span>");
    html.raw("<span><i class=\"gone\"></i>dropped</span><span><i class=\"line\"></i>threshold</span></p>");
    html.raw("<p class=\"small\">Heights are square roots of numbers of documents; the first and the last bar hold what ");
    html.raw("lies beyond.</p><div class=\"grid\">\n");
    histograms(corpus, measures, BARS, &Task::default(), &mut |i, histogram| {
        if let Some(histogram) = histogram {
            draw(html, &measures[i], &histogram);
        }
        Ok(())
    })?;
    html.raw("</div></section>\n");
    Ok(())
}

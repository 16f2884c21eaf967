//! Messages for people, as text and as HTML.

use flyball_govern::alert::{About, Notice};
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;

use super::{Sender, cut, text};

/// The longest subject; mail programs show less.
const SUBJECT_BYTES_MAX: usize = 200;

/// A message and whom it goes from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address of the envelope's sender.
    pub from: String,
    /// The addresses of the envelope's recipients.
    pub to: Vec<String>,
    /// The message, with its headers, as it is sent after `DATA`; dots are not doubled.
    pub message: Vec<u8>,
}

/// The message that tells `to` of `notice`. All that is told of one alert is one thread, and a notice
/// that comes again has the same `Message-ID`.
pub fn mail(from: &str, to: &[String], notice: &Notice, sender: &Sender<'_>) -> Mail {
    let host = sender.host();
    let title = text::title(notice);
    let lines = text::lines(notice, sender);
    let delivery = sender.delivery(notice);
    // 64 characters, of the 70 that RFC 2046 allows for.
    let boundary = delivery.clone();
    let parts = vec![
        MimePart::new("text/plain", format!("{title}\n\n{}", text::plain(&lines))),
        MimePart::new("text/html", html(&title, &lines)),
    ];
    let alternative = ContentType::new("multipart/alternative").attribute("boundary", boundary);
    let mut builder = MessageBuilder::new()
        .from(from.to_owned())
        .to(to.to_vec())
        .subject(cut(&title, SUBJECT_BYTES_MAX).to_owned())
        .date(Date::new(notice.made.nanos().div_euclid(1_000_000_000)))
        .message_id(format!("{delivery}@{host}"))
        // No answers by machines: RFC 3834, section 5.
        .header("Auto-Submitted", HeaderType::Raw(Raw::new("auto-generated")));
    if let About::Alert { alert, .. } = &notice.about {
        let thread = format!("{}@{host}", sender.key(alert));
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    let mut message = Vec::new();
    builder.body(MimePart::new(alternative, parts)).serialize(&mut message);
    Mail { from: from.to_owned(), to: to.to_vec(), message }
}

fn html(title: &str, lines: &[text::Line]) -> String {
    let mut rows = String::new();
    for line in lines {
        let text = escaped(&line.text);
        let text = match &line.link {
            Some(link) => format!("<a href=\"{}\">{text}</a>", escaped(link)),
            None => text,
        };
        rows.push_str("<tr><th align=\"left\" valign=\"top\">");
        rows.push_str(line.name);
        rows.push_str("</th><td>");
        rows.push_str(&text);
        rows.push_str("</td></tr>\n");
    }
    format!(
        "<!DOCTYPE html>\n<html><body>\n<h2>{}</h2>\n<table>\n{rows}</table>\n</body></html>\n",
        escaped(title)
    )
}

/// A text in which nothing is markup.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

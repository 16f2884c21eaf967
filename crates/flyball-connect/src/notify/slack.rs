//! Slack's incoming webhooks: one text with their markup.

use flyball_govern::alert::Notice;
use serde_json::json;

use super::{Request, Secret, Sender, cut, text};

/// The longest text; Slack cuts above 40 000 characters, and Mattermost refuses above 16 383.
const TEXT_BYTES_MAX: usize = 12_000;

pub(super) fn request(url: &Secret, notice: &Notice, sender: &Sender<'_>) -> Request {
    let mut message = format!("*{}*\n", escaped(&text::title(notice)));
    for line in text::lines(notice, sender) {
        let text = match &line.link {
            // A vertical bar ends the address.
            Some(link) => {
                format!("<{}|{}>", escaped(&link.replace('|', "%7C")), escaped(&line.text))
            }
            None => escaped(&line.text),
        };
        let line = format!("{}: {text}\n", line.name);
        // Whole lines only, so that no link is cut in the middle.
        if message.len() + line.len() <= TEXT_BYTES_MAX {
            message.push_str(&line);
        }
    }
    let message = cut(message.trim_end(), TEXT_BYTES_MAX);
    Request::json(url.expose(), &json!({ "text": message }))
}

/// A text in which nothing is markup or a mention.
///
/// Source: Slack's reference on formatting text: these three characters.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

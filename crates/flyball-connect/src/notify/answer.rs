//! What a receiver's answer means for a notice.

use flyball_govern::alert::Outcome;
use flyball_model::{Duration, Timestamp};

use super::cut;

/// The longest wait that a receiver may ask for: what it asks beyond is a mistake.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// How much of an answer is kept.
const ANSWER_BYTES_MAX: usize = 256;

/// Reads an answer: its status, its `Retry-After`, the beginning of its body.
///
/// Any 2xx is acceptance. 408, 425, 429 and 5xx may be better later; what else is answered will be
/// answered again: the address, the secret or the body is wrong, and somebody has to see it.
///
/// Source: RFC 9110, sections 10.2.3 and 15; `PagerDuty`, Slack and Alertmanager answer in these terms.
pub fn judge(status: u16, retry_after: Option<&str>, body: &[u8], now: Timestamp) -> Outcome {
    let said = String::from_utf8_lossy(&body[..body.len().min(4 * ANSWER_BYTES_MAX)]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = cut(&said, ANSWER_BYTES_MAX);
    let colon = if said.is_empty() { "" } else { ": " };
    let problem = format!("it answered {status}{colon}{said}");
    match status {
        200..=299 => Outcome::Delivered,
        408 | 425 | 429 | 500..=599 => {
            Outcome::Later { problem, after: retry_after.and_then(|text| wait(text, now)) }
        }
        _ => Outcome::Refused { problem },
    }
}

/// How long `Retry-After` asks to wait: seconds, or a date.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u32>() {
        Duration::from_seconds(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        Timestamp::from_jiff(date.timestamp())?.since(now)
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

//! `GoAlert`'s generic API: `POST /api/v2/generic/incoming`.

use flyball_govern::alert::{Act, Notice};
use serde_json::json;

use super::{Request, Secret, Sender, cut, of_alert, text};

/// The longest summary and details that `GoAlert` keeps.
const SUMMARY_BYTES_MAX: usize = 1_024;
const DETAILS_BYTES_MAX: usize = 6 * 1_024;

pub(super) fn request(
    url: &str,
    token: &Secret,
    notice: &Notice,
    sender: &Sender<'_>,
) -> Option<Request> {
    let (act, alert) = of_alert(notice)?;
    // Somebody takes an alert on in GoAlert itself; from outside it can only be closed.
    if act == Act::Acknowledge {
        return None;
    }
    let details = text::plain(&text::lines(notice, sender));
    let mut body = json!({
        "summary": cut(&text::title(notice), SUMMARY_BYTES_MAX),
        "details": cut(&details, DETAILS_BYTES_MAX),
        "dedup": sender.key(alert),
    });
    if act == Act::Close {
        body["action"] = json!("close");
    }
    let url = format!("{}/api/v2/generic/incoming", url.trim_end_matches('/'));
    let mut request = Request::json(&url, &body);
    request.headers.push(("authorization", format!("Bearer {}", token.expose())));
    Some(request)
}

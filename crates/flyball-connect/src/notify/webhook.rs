//! A body of our own, signed.

use flyball_govern::alert::{About, Act, Notice};
use flyball_model::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Request, Secret, Sender, hex, text};

/// The name and version of the body.
pub const SCHEMA: &str = "flyball.dev/notice/v1";
/// The header with the signature: `t=1767225600,v1=…`.
pub const SIGNATURE_HEADER: &str = "flyball-signature";
/// The header with what a notice is known by when it comes again.
pub const DELIVERY_HEADER: &str = "flyball-delivery";
/// The header with what the notice is: `alert.open`, `alert.update`, `alert.acknowledge`,
/// `alert.close`, `silence.over`, `change.restored`, `service.reminder`.
pub const EVENT_HEADER: &str = "flyball-event";

pub(super) fn request(
    url: &Secret,
    secret: &Secret,
    notice: &Notice,
    sender: &Sender<'_>,
) -> Request {
    let (event, number, [alert, silence, restored, reminder]) = match &notice.about {
        About::Alert { act, number, alert } => {
            let of = [json!(alert), Value::Null, Value::Null, Value::Null];
            (event_of(*act), json!(number), of)
        }
        About::SilenceOver(over) => {
            let of = [Value::Null, json!(over), Value::Null, Value::Null];
            ("silence.over", Value::Null, of)
        }
        About::Restored(restored) => {
            let of = [Value::Null, Value::Null, json!(restored), Value::Null];
            ("change.restored", Value::Null, of)
        }
        About::Reminder(reminder) => {
            let of = [Value::Null, Value::Null, Value::Null, json!(reminder)];
            ("service.reminder", Value::Null, of)
        }
    };
    let delivery = sender.delivery(notice);
    let body = json!({
        "schema": SCHEMA,
        "event": event,
        "delivery": delivery,
        "target": notice.target,
        "at": notice.made,
        "may_repeat": notice.may_repeat,
        "title": text::title(notice),
        "text": text::plain(&text::lines(notice, sender)),
        "number": number,
        "called": called(notice),
        "alert": alert,
        "silence": silence,
        "restored": restored,
        "reminder": reminder,
    });
    let mut request = Request::json(url.expose(), &body);
    let signature = signature(secret, sender.now, &request.body);
    request.headers.extend([
        (SIGNATURE_HEADER, signature),
        (DELIVERY_HEADER, delivery.clone()),
        ("idempotency-key", delivery),
        (EVENT_HEADER, event.to_owned()),
    ]);
    request
}

/// Who was called last by the call that goes on: who, the level, its rota and escalation, since when, and how many
/// hand-offs came before; null where nobody is called.
fn called(notice: &Notice) -> Value {
    let About::Alert { alert, .. } = &notice.about else { return Value::Null };
    let Some((call, step)) = alert.call().zip(alert.called()) else { return Value::Null };
    json!({
        "who": step.who,
        "level": step.name,
        "rota": step.rota,
        "escalation": call.escalation,
        "at": step.at,
        "hand_offs": call.hand_offs().total(),
        "unanswered": alert.is_unanswered(),
    })
}

/// The signature of `body` at `now`: HMAC-SHA256 of the seconds since 1970, a full stop and the body.
///
/// The time is signed too, so that whoever has overheard a request cannot send it a day later.
pub fn signature(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let seconds = now.nanos().div_euclid(1_000_000_000);
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes());
    let code = mac.map(|mac| mac.chain_update(format!("{seconds}.")).chain_update(body).finalize());
    // A key of any length will do for HMAC, so there is always a code.
    let code = code.map(|code| hex(&code.into_bytes())).unwrap_or_default();
    format!("t={seconds},v1={code}")
}

const fn event_of(act: Act) -> &'static str {
    match act {
        Act::Open => "alert.open",
        Act::Update => "alert.update",
        Act::Acknowledge => "alert.acknowledge",
        Act::Close => "alert.close",
    }
}

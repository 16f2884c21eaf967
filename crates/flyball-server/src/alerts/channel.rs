//! Telling a target, whatever kind it is of.

use flyball_connect::notify::{Receiver, Secret, request};
use flyball_govern::alert::Notice;
use flyball_model::{Address, AlertChannel, AlertTarget};

use super::secrets::Secrets;
use super::{Telling, Told, post, smtp};

/// Makes one attempt to tell `target` of `notice`.
pub(super) async fn tell(telling: &Telling, target: &AlertTarget, notice: &Notice) -> Told {
    if let AlertChannel::Mail(mailing) = &target.via {
        return smtp::tell(telling, mailing, notice).await;
    }
    let receiver = match receiver(telling, &target.via).await {
        Ok(Some(receiver)) => receiver,
        Ok(None) => return Told::delivered("not_for_it"),
        Err(problem) => return Told::later("secret", problem),
    };
    match request(&receiver, notice, &telling.sender()) {
        Some(request) => post::send(&telling.client, &request, &telling.context.clock).await,
        None => Told::delivered("not_for_it"),
    }
}

/// The receiver of a target that is told by HTTP, with its secrets; `None` for mail.
///
/// # Errors
///
/// Why a secret cannot be had.
pub(super) async fn receiver(
    telling: &Telling,
    channel: &AlertChannel,
) -> Result<Option<Receiver>, String> {
    let (secrets, channel) = (telling.context.secrets.clone(), channel.clone());
    let read = tokio::task::spawn_blocking(move || with_secrets(&secrets, channel)).await;
    read.unwrap_or_else(|_| Err("the secret could not be read".to_owned()))
}

fn with_secrets(secrets: &Secrets, channel: AlertChannel) -> Result<Option<Receiver>, String> {
    Ok(Some(match channel {
        AlertChannel::Alertmanager { url, bearer } => {
            let bearer = bearer.map(|reference| secrets.read(&reference)).transpose()?;
            Receiver::Alertmanager { url, bearer }
        }
        AlertChannel::Webhook { url, secret } => {
            let url = match url {
                Address::Plain(url) => Secret::new(&url),
                Address::Secret(reference) => secrets.read(&reference)?,
            };
            Receiver::Webhook { url, secret: secrets.read(&secret)? }
        }
        AlertChannel::Slack { url } => Receiver::Slack { url: secrets.read(&url)? },
        AlertChannel::PagerDuty { url, routing_key } => {
            Receiver::PagerDuty { url, routing_key: secrets.read(&routing_key)? }
        }
        AlertChannel::GoAlert { url, token } => {
            Receiver::GoAlert { url, token: secrets.read(&token)? }
        }
        AlertChannel::Mail(_) => return Ok(None),
    }))
}

//! Mail, handed to a host that takes it.

use std::time::Duration;

use flyball_connect::notify::{Mail, Secret, mail};
use flyball_govern::alert::Notice;
use flyball_model::{MailEncryption, Mailing};
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};

use super::secrets::Secrets;
use super::{Telling, Told};

/// How long each answer of the host may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Makes one attempt to send the mail of `notice`.
pub(super) async fn tell(telling: &Telling, mailing: &Mailing, notice: &Notice) -> Told {
    let mail = mail(&mailing.from, &mailing.to, notice, &telling.sender());
    let (secrets, mailing) = (telling.context.secrets.clone(), mailing.clone());
    // It is not cut off: what the host has taken is not to be taken to have failed.
    let sent = tokio::task::spawn_blocking(move || send(&secrets, &mailing, &mail)).await;
    sent.unwrap_or_else(|_| Told::later("broken_off", "the mail could not be sent"))
}

fn send(secrets: &Secrets, mailing: &Mailing, mail: &Mail) -> Told {
    let Mailing { host, port, encryption, login, .. } = mailing;
    let login = login.as_ref().map(|(user, password)| {
        let password: Result<Secret, String> = secrets.read(password);
        password.map(|password| (user, password))
    });
    let login = match login.transpose() {
        Ok(login) => login,
        Err(problem) => return Told::later("secret", problem),
    };
    let to = mail.to.iter().map(|address| address.parse()).collect::<Result<Vec<_>, _>>();
    let envelope = mail.from.parse().and_then(|from| Ok((from, to?)));
    let envelope = match envelope {
        Ok((from, to)) => Envelope::new(Some(from), to).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let envelope = match envelope {
        Ok(envelope) => envelope,
        Err(problem) => {
            return Told::refused("address", problem);
        }
    };
    let parameters = || TlsParameters::new(host.clone());
    let tls = match encryption {
        MailEncryption::None => Ok(Tls::None),
        MailEncryption::Tls => parameters().map(Tls::Wrapper),
        MailEncryption::StartTls => parameters().map(Tls::Required),
    };
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => return failed(&error),
    };
    let mut transport =
        SmtpTransport::builder_dangerous(host).port(*port).tls(tls).timeout(Some(ANSWER_MAX));
    if let Some((user, password)) = login {
        transport =
            transport.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    match transport.build().send_raw(&envelope, &mail.message) {
        Ok(_) => Told::delivered("accepted"),
        Err(error) => failed(&error),
    }
}

/// A failure in the terms of SMTP: what begins with 5 is final.
///
/// Source: RFC 5321, section 4.2.1.
fn failed(error: &lettre::transport::smtp::Error) -> Told {
    let mut problem = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        problem = format!("{problem}: {error}");
        cause = error.source();
    }
    if error.is_permanent() {
        return Told::refused("status_5xx", problem);
    }
    let reason = if error.is_timeout() {
        "timeout"
    } else if error.is_transient() {
        "status_4xx"
    } else {
        "connect"
    };
    Told::later(reason, problem)
}

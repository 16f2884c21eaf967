//! What systemd is told of the server, where it asks.
//!
//! Source: the manual page `sd_notify(3)`: one datagram of `NAME=value` lines to the socket that
//! `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;

use crate::talk;

/// Tells `state`, as in `READY=1`. Without somebody who asks nothing happens; what cannot be told is a
/// warning, since the server works without.
pub(super) fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|from| from.send_to(state.as_bytes(), &socket));
    if let Err(error) = told {
        talk::warning(&format!("NOTIFY_SOCKET cannot be told `{state}`: {error}"));
    }
}

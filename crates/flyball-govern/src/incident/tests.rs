//! Incidents: what is known of the field, what always holds, and a naive second look.

mod learnt;
mod measured;
mod opened;
mod record;

//! What one client may ask of the server.

use flyball_model::Duration;

/// Bounds on what comes in. Each is refused with its name and value, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of one request as it is sent. Bytes; 16 MiB unless told: a collector's
    /// largest batches are a quarter of it.
    pub request_bytes_max: usize,
    /// The largest body of one request after decompression. Bytes; 64 MiB unless told: honest
    /// telemetry compresses to a tenth, a bomb to a thousandth.
    pub decompressed_bytes_max: usize,
    /// Bodies that are being worked on at the same time, decompressed. Bytes; 512 MiB unless told.
    /// Past it requests are told to come again.
    pub working_bytes_max: usize,
    /// Connections open at the same time; 12,000 unless told. Past it new ones wait.
    pub connections_max: usize,
    /// How long a client may take to send a request's headers, or the next part of its body.
    pub idle_max: std::time::Duration,
    /// How late an event may be: one that is older when it arrives is refused. A day unless told.
    pub late_max: Duration,
    /// How far ahead of the clock an event may lie; clocks differ by seconds. Ten minutes unless
    /// told.
    pub ahead_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 16 << 20,
            decompressed_bytes_max: 64 << 20,
            working_bytes_max: 512 << 20,
            connections_max: 12_000,
            idle_max: std::time::Duration::from_secs(10),
            late_max: Duration::from_days(1),
            ahead_max: Duration::from_minutes(10),
        }
    }
}

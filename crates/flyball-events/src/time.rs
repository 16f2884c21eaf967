//! Event times: text and numbers into nanoseconds since the epoch.

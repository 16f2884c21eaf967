//! The `flyball` command line.

//! Event batches and the codecs that fill them

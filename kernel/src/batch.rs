//! Gathering and splitting batches.

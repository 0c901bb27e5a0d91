//! OTTL.

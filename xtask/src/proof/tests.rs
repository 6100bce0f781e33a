//! Code assembled by hand, of which it is known what it does.

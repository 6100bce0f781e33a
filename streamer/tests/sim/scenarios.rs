//! Faults that the protocol had, each as the story that shows it.

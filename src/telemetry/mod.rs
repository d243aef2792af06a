//! Every metric by name and the one registry. May use nothing of ours.

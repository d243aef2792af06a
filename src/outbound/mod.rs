//! The one HTTP client for addresses that strangers chose. May use core::documents alone.

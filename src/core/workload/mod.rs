//! From a manifest to Kubernetes objects. Builds, never applies.

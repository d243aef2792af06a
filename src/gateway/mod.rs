//! The provider's public face: manifests, status, logs. The decision who may is in core.

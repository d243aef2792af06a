//! The Kubernetes kinds of group leaseport.dev, as types with their schema and CEL rules. May use nothing else of ours.

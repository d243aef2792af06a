//! Who owns each reason why a pod does not run: tenant, provider or nobody yet.

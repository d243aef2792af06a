//! The contracts around a market that operators never call: who decides, where fees go, and how all of it is founded. As their
//! committed ABI files say; used by `deploy` and `audit` only.

#![allow(
    missing_docs,
    reason = "generated from contracts/abi; the contracts' own NatSpec documents it"
)]
#![allow(clippy::too_many_arguments, reason = "generated from contracts/abi")]

use alloy::sol;

sol!(
    #[sol(rpc)]
    AccessManager,
    "contracts/abi/AccessManager.json"
);

sol!(
    #[sol(rpc)]
    TimelockController,
    "contracts/abi/TimelockController.json"
);

sol!(
    #[sol(rpc)]
    FeeRouter,
    "contracts/abi/FeeRouter.json"
);

sol!(
    #[sol(rpc)]
    Port,
    "contracts/abi/Port.json"
);

sol!(
    #[sol(rpc)]
    PortGovernor,
    "contracts/abi/PortGovernor.json"
);

sol!(
    #[sol(rpc)]
    Slipway,
    "contracts/abi/Slipway.json"
);

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @notice A contract wallet with one key, and the ways in which one can misbehave when it is asked (ERC-1271).
contract WalletMock {
    enum Mode {
        Honest,
        SaysYes,
        Reverts,
        BurnsGas,
        Bomb,
        ShortAnswer,
        DirtyAnswer
    }

    address public immutable key;
    Mode public mode;

    constructor(address key_) {
        key = key_;
    }

    function setMode(Mode mode_) external {
        mode = mode_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (mode == Mode.SaysYes) return 0x1626ba7e;
        if (mode == Mode.Reverts) revert("no");
        if (mode == Mode.BurnsGas) {
            while (true) {}
        }
        if (mode == Mode.Bomb) {
            assembly ("memory-safe") {
                revert(0, 1000000)
            }
        }
        if (mode == Mode.ShortAnswer) {
            assembly ("memory-safe") {
                mstore(0, shl(224, 0x1626ba7e))
                return(0, 4)
            }
        }
        if (mode == Mode.DirtyAnswer) {
            assembly ("memory-safe") {
                mstore(0, or(shl(224, 0x1626ba7e), 1))
                return(0, 32)
            }
        }
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(signature[:32]), bytes32(signature[32:64]), uint8(signature[64]));
        return ecrecover(digest, v, r, s) == key ? bytes4(0x1626ba7e) : bytes4(0);
    }

    function run(address target, bytes calldata call) external returns (bytes memory answer) {
        bool ok;
        (ok, answer) = target.call(call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }
}

/// @notice A dollar with ERC-2612 and ERC-3009, as large issuers have it.
contract AuthDollar is ERC20, ERC20Permit {
    bytes32 public constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    mapping(address => mapping(bytes32 => bool)) public authorizationState;
    uint256 public shortBy;

    constructor() ERC20("Dollar with authorizations", "AUSD") ERC20Permit("Dollar with authorizations") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @dev Makes the token move less than was authorized.
    function setShortBy(uint256 amount) external {
        shortBy = amount;
    }

    function decimals() public pure virtual override returns (uint8) {
        return 6;
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        require(to == msg.sender, "only the payee");
        require(block.timestamp > validAfter && block.timestamp < validBefore, "time");
        require(!authorizationState[from][nonce], "used");
        bytes32 structHash = keccak256(abi.encode(RECEIVE_TYPEHASH, from, to, value, validAfter, validBefore, nonce));
        require(ecrecover(_hashTypedDataV4(structHash), v, r, s) == from, "signature");
        authorizationState[from][nonce] = true;
        _transfer(from, to, value - shortBy);
    }
}

/// @notice A coin of eighteen decimals with the same ways to pay, which moves nothing to accounts it refuses.
contract PickyCoin is AuthDollar {
    mapping(address => bool) public refused;

    function refuse(address who, bool value) external {
        refused[who] = value;
    }

    function decimals() public pure override returns (uint8) {
        return 18;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!refused[to], "refused");
        super._update(from, to, value);
    }
}

/// @notice Runs another contract's code on its own storage, as proxied tokens do: one more slot to read and one more account
/// to touch in every call.
contract ProxyMock {
    // Keeps clear of the implementation's first slots.
    bytes32 private constant SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    constructor(address implementation) {
        bytes32 slot = SLOT;
        assembly ("memory-safe") {
            sstore(slot, implementation)
        }
    }

    fallback() external {
        bytes32 slot = SLOT;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(slot), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}

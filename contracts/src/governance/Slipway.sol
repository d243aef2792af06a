// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Slipway
/// @notice Launches one contract, once, for one account. The contract's address depends on the slipway's alone, not on its code, so two
/// contracts that name each other in their constructors (a book and its vault) can both have addresses known beforehand. Only
/// the account can use it, so nobody else can put anything there.
contract Slipway {
    /// @notice Not the account this slipway is for.
    error Slipway_NotBuilder(address caller);
    /// @notice It was used before.
    error Slipway_Used(address launched);
    /// @notice The constructor reverted without a reason.
    error Slipway_Failed();

    /// @notice Who may launch.
    address public immutable builder;
    /// @notice What was launched; zero before.
    address public launched;

    /// @param builder_ who may launch
    constructor(address builder_) {
        builder = builder_;
    }

    /// @notice Creates a contract at this contract's first CREATE address.
    /// @param creation creation code with its arguments
    function launch(bytes memory creation) external returns (address made) {
        require(msg.sender == builder, Slipway_NotBuilder(msg.sender));
        require(launched == address(0), Slipway_Used(launched));
        assembly ("memory-safe") {
            made := create(0, add(creation, 0x20), mload(creation))
            if iszero(made) {
                if returndatasize() {
                    let free := mload(0x40)
                    returndatacopy(free, 0, returndatasize())
                    revert(free, returndatasize())
                }
            }
        }
        require(made != address(0), Slipway_Failed());
        launched = made;
    }
}

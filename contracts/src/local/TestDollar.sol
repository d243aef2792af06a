// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title TestDollar
/// @notice A dollar that anyone may mint, for chains on one's own machine. It refuses to be deployed anywhere else.
contract TestDollar is ERC20, ERC20Permit {
    /// @notice The chain id is not one that local nodes use (1337, 31337 to 31399).
    error TestDollar_NotALocalChain(uint256 chainId);

    constructor() ERC20("Leaseport Test Dollar", "tUSD") ERC20Permit("Leaseport Test Dollar") {
        require(isLocalChain(block.chainid), TestDollar_NotALocalChain(block.chainid));
    }

    /// @notice Makes money.
    /// @param amount in 10^-6 dollars
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Whether the test dollar may live on a chain.
    function isLocalChain(uint256 chainId) public pure returns (bool) {
        return chainId == 1337 || (chainId >= 31_337 && chainId <= 31_399);
    }
}

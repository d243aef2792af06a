// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Order, Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice A token with a switch for each way of misbehaving. 6 decimals unless told.
contract OddToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint8 public decimals = 6;
    uint256 public feeBps;
    enum Oddity {
        None,
        ReturnsNothing,
        ReturnsFalse,
        Reverts,
        ReturnBomb,
        BurnsGas,
        Garbage
    }
    Oddity public oddity;
    address public reenter;
    bytes public reenterCall;

    function setFee(uint256 bps) external {
        feeBps = bps;
    }

    function setDecimals(uint8 value) external {
        decimals = value;
    }

    function setOddity(Oddity value) external {
        oddity = value;
    }

    function setReenter(address target, bytes calldata call) external {
        reenter = target;
        reenterCall = call;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external {
        if (oddity == Oddity.Reverts) revert("blocked");
        if (oddity == Oddity.BurnsGas) {
            while (true) {}
        }
        if (oddity == Oddity.ReturnBomb) {
            assembly ("memory-safe") {
                revert(0, 1000000)
            }
        }
        if (oddity == Oddity.ReturnsFalse) _answer(0);
        if (oddity == Oddity.Garbage) _answer(2);
        _move(msg.sender, to, amount);
        if (reenter != address(0)) {
            (bool ok,) = reenter.call(reenterCall);
            require(!ok, "got in");
        }
        if (oddity != Oddity.ReturnsNothing) _answer(1);
    }

    function _answer(uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(0, value)
            return(0, 32)
        }
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount * feeBps / 10_000;
    }
}

contract HostileTokensTest is Market {
    OddToken private odd;

    function setUp() public override {
        super.setUp();
        odd = new OddToken();
    }

    function _list(uint8 decimals) private returns (uint8 token) {
        odd.setDecimals(decimals);
        token = params.listToken(address(odd), true);
        odd.mint(tenant, 1e30);
        vm.prank(tenant);
        odd.approve(address(book), type(uint256).max);
    }

    function _orderIn(uint8 token) private returns (Order memory order) {
        order = _order();
        order.token = token;
        order.minBond = 0;
    }

    function test_ATokenThatTakesAFeeIsRefusedAtTheDeposit() public {
        Order memory order = _orderIn(_list(6));
        odd.setFee(1);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Deposit_Mismatch(uint256,uint256)", 19_998_000, 20_000_000));
        book.postOrder(order, NEEDS, "");
    }

    function test_ATokenOfEighteenDecimalsMovesInItsOwnUnits() public {
        Order memory order = _orderIn(_list(18));
        _post(order);
        eq(odd.balanceOf(address(book)), 20e18, "in");
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(odd.balanceOf(refundTo), 20e18, "out");
    }

    function test_ATokenThatReturnsNothingIsPaidOut() public {
        Order memory order = _orderIn(_list(6));
        _post(order);
        odd.setOddity(OddToken.Oddity.ReturnsNothing);
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(odd.balanceOf(refundTo), 20 * DOLLAR, "paid");
    }

    /// @dev A transfer that fails in any way turns into a credit, and the call goes on.
    function _credited(OddToken.Oddity oddity) private {
        uint8 token = _list(6);
        Order memory order = _orderIn(token);
        _post(order);
        odd.setOddity(oddity);
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(book.credits(refundTo, token), 20 * DOLLAR, "credited");
        odd.setOddity(OddToken.Oddity.None);
        vm.prank(refundTo);
        book.withdrawCredit(token, address(0xabc));
        eq(odd.balanceOf(address(0xabc)), 20 * DOLLAR, "withdrawn");
        eq(odd.balanceOf(address(book)), 0, "nothing left");
    }

    function test_ARefundThatRevertsBecomesACredit() public {
        _credited(OddToken.Oddity.Reverts);
    }

    function test_ARefundThatReturnsFalseBecomesACredit() public {
        _credited(OddToken.Oddity.ReturnsFalse);
    }

    function test_ARefundThatReturnsGarbageBecomesACredit() public {
        _credited(OddToken.Oddity.Garbage);
    }

    function test_ARefundThatReturnsABombBecomesACredit() public {
        _credited(OddToken.Oddity.ReturnBomb);
    }

    function test_ARefundThatBurnsItsGasBecomesACreditAndCostsItsBoundOnly() public {
        uint8 token = _list(6);
        Order memory order = _orderIn(token);
        _post(order);
        odd.setOddity(OddToken.Oddity.BurnsGas);
        vm.prank(tenant);
        book.cancelOrder(order);
        atMost(vm.snapshotGasLastCall("gas", "cancel_with_a_gas_burner"), 250_000, "bounded");
        eq(book.credits(refundTo, token), 20 * DOLLAR, "credited");
    }

    function test_TooLittleGasForAPushRevertsInsteadOfCrediting() public {
        Order memory order = _orderIn(_list(6));
        _post(order);
        vm.prank(tenant);
        (bool ok,) = address(book).call{gas: 140_000}(abi.encodeCall(book.cancelOrder, (order)));
        yes(!ok, "reverts");
        eq(book.credits(refundTo, 1), 0, "no credit");
    }

    function test_ATokenThatCallsBackFindsTheBookClosed() public {
        uint8 token = _list(6);
        Order memory order = _orderIn(token);
        _post(order);
        Order memory other = _orderIn(token);
        _post(other);
        odd.setReenter(address(book), abi.encodeCall(book.cancelOrder, (other)));
        _skip(601);
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(odd.balanceOf(refundTo), 20 * DOLLAR, "one refund");
        eq(odd.balanceOf(address(book)), 20 * DOLLAR, "the other is still there");
    }

    function test_AFailingTokenNeverBlocksAFinalize() public {
        uint8 token = _list(6);
        odd.mint(address(this), 1e12);
        odd.approve(address(vault), type(uint256).max);
        vault.deposit(pid, token, 1000 * DOLLAR);
        Terms memory terms = _live(_orderIn(token), 0, 1);
        _skip(7200);
        _report(0, 3600);
        _skip(F);
        odd.setOddity(OddToken.Oddity.Reverts);
        book.finalize(terms);
        eq(book.credits(refundTo, token), 20_000_000 - 3_600_000, "credited");
        _skip(2 * W);
        vm.expectRevert();
        book.claim(pid, token);
        odd.setOddity(OddToken.Oddity.None);
        book.claim(pid, token);
        eq(odd.balanceOf(payout), 3_510_000, "claimed later");
    }
}

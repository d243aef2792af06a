// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestDollar} from "../../src/local/TestDollar.sol";
import {Bid, Funding, Offer, Order, Terms} from "../../src/types/Types.sol";

import {ProxyMock} from "../support/Mocks.sol";
import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice Gas of whole transactions (run with isolation): plain ERC-20, standing allowance, recipients that hold the token,
/// one lot, lane words in use. The snapshots catch drift below the design's ceilings. Beside them the same with a token behind a
/// proxy, and with a permit.
contract GasTest is Trades {
    function setUp() public override {
        super.setUp();
        // Warm worlds: everybody holds the token, fee and earning slots are in use.
        dollar.mint(refundTo, 1);
        dollar.mint(payout, 1);
        dollar.mint(treasury, 1);
        dollar.mint(address(book), 1);
        Terms memory terms = _live(1, 1);
        _skip(500);
        _report(1, 400);
        _settle(1);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 500, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 500, deadline, signature, "");
    }

    /// @dev The same market in a token behind a proxy, in a used lane.
    function _proxied(uint32 lane, uint32 gen) private returns (Order memory order, uint8 token) {
        TestDollar proxied = TestDollar(address(new ProxyMock(address(dollar))));
        token = params.listToken(address(proxied), true);
        address[5] memory holders = [tenant, refundTo, payout, treasury, address(book)];
        for (uint256 i = 0; i < holders.length; ++i) {
            proxied.mint(holders[i], 1000 * DOLLAR);
        }
        proxied.mint(address(this), 1000 * DOLLAR);
        proxied.approve(address(vault), type(uint256).max);
        vault.deposit(pid, token, 1000 * DOLLAR);
        vm.prank(tenant);
        proxied.approve(address(book), type(uint256).max);
        order = _order();
        order.token = token;
        Terms memory terms = _live(order, lane, gen);
        _skip(500);
        _report(lane, _laneValue(lane) + 500);
        _settle(lane);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 500, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 500, deadline, signature, "");
        order = _order();
        order.token = token;
    }

    function _ceiling(string memory name, uint256 limit) private {
        uint256 used = vm.snapshotGasLastCall("gas", name);
        atMost(used, limit, name);
    }

    function test_Gas_report_of_104_leases() public {
        uint256[] memory words = new uint256[](13);
        for (uint256 round = 1; round < 3; ++round) {
            for (uint256 i = 0; i < 13; ++i) {
                words[i] = 0;
                for (uint256 lane = 0; lane < 8; ++lane) {
                    // Three bytes that are all set, as counters of a busy year are.
                    words[i] |= (uint256(round) * 0x00010101 + 0x00000100 + i * 8 + lane) << (lane * 32);
                }
            }
            vm.prank(operator);
            book.report(pid, 4, uint40(_now()), keccak256("root"), words);
        }
        uint256 used = vm.snapshotGasLastCall("gas", "report_104");
        vm.snapshotValue("gas", "report_104_per_lease", used / 104);
        atMost(used, 104 * 1050, "report_104");
    }

    function test_Gas_report_of_one_lease() public {
        _report(0, 3600);
        _report(0, 7200);
        _ceiling("report_one", 34_500);
    }

    function test_Gas_postOrder() public {
        Order memory order = _order();
        bytes memory needs = new bytes(400);
        for (uint256 i = 0; i < 400; ++i) {
            needs[i] = "n";
        }
        order.needsHash = keccak256(needs);
        vm.prank(tenant);
        book.postOrder(order, needs, "");
        _ceiling("postOrder", 105_000);
        order.salt = "permit";
        Funding memory funding = _permitBy(TENANT_KEY, order.deposit, uint40(_now()));
        vm.prank(tenant);
        book.postOrderSigned(order, needs, "", "", funding);
        vm.snapshotGasLastCall("gas", "postOrder_permit");
        (order,) = _proxied(1, 2);
        order.needsHash = keccak256(needs);
        vm.prank(tenant);
        book.postOrder(order, needs, "");
        vm.snapshotGasLastCall("gas", "postOrder_proxied");
    }

    function test_Gas_fill() public {
        Order memory order = _dutch();
        _post(order);
        _fill(order, _pair(1, 2));
        _ceiling("fill", 85_000);
        // Somebody was faster.
        vm.prank(bidder);
        (bool ok,) =
            address(book).call(abi.encodeCall(book.fill, (order, pid, _pair(3, 1), 2 * DOLLAR, 50 * DOLLAR, noProof)));
        yes(!ok, "late");
        vm.snapshotGasLastCall("gas", "fill_late");
        order = _dutch();
        _post(order);
        _fill(order, _pair(2, 1));
        _ceiling("fill_new", 120_000);
    }

    function test_Gas_take() public {
        Order memory order = _order();
        Offer memory offer = _offer(order);
        _post(order);
        _take(order, offer, _part(0));
        _ceiling("take", 150_000);
        order = _order();
        _post(order);
        _take(order, offer, _part(1));
        vm.snapshotGasLastCall("gas", "take_next");
    }

    function test_Gas_redeem_and_amend() public {
        Terms memory terms = _live(1, 2);
        _skip(500);
        bytes memory signature = _voucher(TENANT_KEY, terms, 400);
        vm.prank(operator);
        book.redeem(terms, 400, signature);
        vm.snapshotGasLastCall("gas", "redeem");
        Terms memory next = abi.decode(abi.encode(terms), (Terms));
        next.maxDuration = 8000;
        _amend(terms, next, 450);
        vm.snapshotGasLastCall("gas", "amend");
    }

    function test_Gas_postBid() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(1, 2);
        Bid memory bid = _bid(order, lanes);
        bytes memory packed = _pack(bid, lanes, _sign(BID_KEY, book.hashBid(bid)));
        vm.prank(bidder);
        book.publishBid(packed);
        _ceiling("postBid", 32_000);
        // By somebody else, so that the signature is recovered on chain: no ceiling.
        vm.prank(stranger);
        book.publishBid(packed);
        vm.snapshotGasLastCall("gas", "postBid_relayed");
    }

    function _accepted(uint32 lane, uint32 gen) private {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(lane, gen);
        Bid memory bid = _bid(order, lanes);
        _accept(order, bid, lanes);
    }

    function test_Gas_accept_on_a_used_lane() public {
        _accepted(1, 2);
        _ceiling("accept_used", 85_000);
    }

    function test_Gas_accept_on_a_new_lane() public {
        _accepted(2, 1);
        _ceiling("accept_new", 120_000);
    }

    function test_Gas_start_and_decline() public {
        Terms memory terms = _open(_order(), 1, 2);
        vm.prank(operator);
        book.start(terms, 500, keccak256("bindings"));
        vm.snapshotGasLastCall("gas", "start");
        terms = _open(_order(), 2, 1);
        _skip(60);
        vm.prank(operator);
        book.decline(terms, 2001);
        vm.snapshotGasLastCall("gas", "decline");
    }

    function test_Gas_settle_of_100() public {
        uint32[] memory lanes = new uint32[](100);
        for (uint32 i = 0; i < 100; ++i) {
            _live(i + 8, 1);
            lanes[i] = i + 8;
        }
        for (uint256 round = 1; round < 3; ++round) {
            _skip(3000);
            uint256[] memory words = new uint256[](13);
            for (uint256 i = 0; i < 13; ++i) {
                for (uint256 lane = 0; lane < 8; ++lane) {
                    words[i] |= (2900 * round) << (lane * 32);
                }
            }
            vm.prank(operator);
            book.report(pid, 1, uint40(_now()), keccak256("root"), words);
            book.settle(pid, lanes);
        }
        uint256 used = vm.snapshotGasLastCall("gas", "settle_100");
        vm.snapshotValue("gas", "settle_100_per_lease", used / 100);
        atMost(used, 750_000, "settle_100");
    }

    function test_Gas_claim() public {
        _skip(2 * W);
        book.claim(pid, 0);
        _live(1, 2);
        _skip(500);
        _report(1, 1000);
        _settle(1);
        _skip(2 * W);
        book.claim(pid, 0);
        _ceiling("claim", 52_000);
        (, uint8 token) = _proxied(9, 1);
        _skip(2 * W);
        book.claim(pid, token);
        vm.snapshotGasLastCall("gas", "claim_proxied");
    }

    function test_Gas_stop() public {
        Terms memory terms = _live(1, 2);
        _skip(4000);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _ceiling("stop", 40_000);
    }

    function test_Gas_finalize_with_a_refund() public {
        Terms memory terms = _live(1, 2);
        _skip(7200);
        _report(1, 7000);
        _settle(1);
        _skip(F);
        book.finalize(terms);
        _ceiling("finalize_refund", 62_000);
        _skip(W);
        (Order memory order,) = _proxied(3, 1);
        terms = _live(order, 3, 2);
        _skip(7200);
        _report(3, _laneValue(3) + 7000);
        _settle(3);
        _skip(F);
        book.finalize(terms);
        vm.snapshotGasLastCall("gas", "finalize_refund_proxied");
    }

    function test_Gas_finalize_with_a_last_payment() public {
        Terms memory terms = _live(1, 2);
        _skip(4000);
        _report(1, 4500);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        book.finalize(terms);
        vm.snapshotGasLastCall("gas", "finalize_paying");
    }

    function test_Gas_closeBoth() public {
        Terms memory terms = _live(1, 2);
        _skip(4000);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 3900, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 3900, deadline, signature, "");
        _ceiling("closeBoth", 90_000);
        (Order memory order,) = _proxied(1, 3);
        terms = _live(order, 1, 4);
        _skip(4000);
        deadline = uint40(_now());
        signature = _signClose(DUTY_KEY, terms, 3900, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 3900, deadline, signature, "");
        vm.snapshotGasLastCall("gas", "closeBoth_proxied");
    }
}

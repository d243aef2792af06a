"""What solvers for machine words leave undecided of Rent.sol (products and quotients of 113 bits), proven over the integers with z3.

Sound for the contract because nothing there leaves 2^113 (Rent.sol says why), so its words are these integers. Each name is a sentence; a
counterexample is printed.
"""

import sys

from z3 import And, If, Implies, Int, Ints, Not, Solver, unsat

settled, cum, rate, funds = Ints("settled cum rate funds")


def quotient(name, dividend, divisor):
    """The quotient and the one fact that makes it one: dividend = quotient * divisor + rest, 0 <= rest < divisor."""
    whole, rest = Int(name), Int(name + "_rest")
    return whole, And(dividend == whole * divisor + rest, rest >= 0, rest < divisor)


# The products, as numbers of their own: what is used of them is that they distribute and that they grow with a factor, said where it is.
settled_rate, cum_rate, last_rate = Ints("settled_rate cum_rate last_rate")
given = [0 <= settled, settled <= cum, rate >= 1, funds >= 0, settled_rate >= 0]
before, before_is = quotient("before", settled_rate, 3600)
whole, whole_is = quotient("whole", cum_rate, 3600)
spent, spent_is = quotient("spent", last_rate, 3600)
more, more_is = quotient("more", last_rate + rate, 3600)
# last = ((funds + before + 1) * 3600 - 1) / rate, so last * rate is that dividend less a rest below rate.
rest = Int("rest")
last = Int("last")
last_is = And((funds + before + 1) * 3600 - 1 == last_rate + rest, 0 <= rest, rest < rate)
short = whole - before > funds
words = given + [before_is, last_is]

PROOFS = {
    "the funds cover the last affordable second": Implies(And(*words, spent_is), spent - before <= funds),
    "they do not cover one second more": Implies(And(*words, more_is), more - before > funds),
    "short of money the last second is before the usage's end": Implies(
        And(*words, spent_is, whole_is, short, Implies(last >= cum, last_rate >= cum_rate)), last < cum
    ),
    "the last affordable second is not before what is settled": Implies(
        And(*words, Implies(last < settled, last_rate + rate <= settled_rate)), last >= settled
    ),
}

commit, elapsed, served = Ints("commit elapsed served")
half, half_is = quotient("half", commit, 2)
due = Int("due")
due_is = due == If(commit - elapsed < served, If(commit > elapsed, commit - elapsed, 0), served)
clock = [0 <= served, served <= elapsed, 0 <= commit, due_is, half_is]
PROOFS["what the early fee is due on is at most half of the commitment and what was served"] = Implies(
    And(*clock), And(due <= half, due <= served)
)
a, b = Ints("a b")
fa, fa_is = quotient("fa", a, 3600)
fb, fb_is = quotient("fb", b, 3600)
fs, fs_is = quotient("fs", a + b, 3600)
ub, ub_is = quotient("ub", b + 3599, 3600)
PROOFS["grace seconds cost at most what was held back for them"] = Implies(
    And(a >= 0, b >= 0, fa_is, fs_is, ub_is), fs - fa <= ub
)
PROOFS["floors of parts never exceed the floor of the whole"] = Implies(
    And(a >= 0, b >= 0, fa_is, fb_is, fs_is), fa + fb <= fs
)

failed = 0
for name, claim in PROOFS.items():
    solver = Solver()
    solver.set("timeout", 60_000)
    solver.add(Not(claim))
    verdict = solver.check()
    if verdict == unsat:
        print(f"[PASS] {name}")
    else:
        failed += 1
        print(f"[FAIL] {name}: {verdict} {solver.model() if str(verdict) == 'sat' else ''}")
sys.exit(1 if failed else 0)

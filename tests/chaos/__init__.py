"""Chaos: the whole product under faults, judged by the far end's own log.

    make chaos KILLS=60 SEED=1 JSON=chaos.json        (python -m tests.chaos)

The product runs on real Asterisk with the far end and robot agents, dials a queue that never runs dry, and by a seeded
plan its programs and servers are killed (-9) and frozen, its links cut, muted and slowed down. What is counted:

- `kills`: faults by kind; `tasks`: call tasks of which at least one INVITE reached the far end.
- `dialed_twice`: INVITEs at the far end that no attempt of the product stands for (each attempt may have one, between
  its claim and its end), that come while another call to the same number is up, or after an attempt that is UNKNOWN.
- `caps_passed`: INVITEs that the loaded rules forbid when everything that the far end heard of this person before is the
  ledger. A call that the network refused (500, 502, 503) is no contact.
- `history_missing`: calls answered at the far end without a line in the case history; or, when sound came to the far
  end, with a line that knows of no answer (UNKNOWN, which counts as one, is enough).
- `history_double`: calls with more than one line.
- `mismatched`: calls whose card, voice, recording or disposition are of different calls. Each borrower and each agent
  speaks a chord of his own (far_end/tones.py): robots write down whose voice they hear while a card is before them,
  and both sides of each recording are listened to. A result belongs to the call and the agent for whom a robot saved
  it; no agent has two calls at once. A card that lay before an agent while the call was his is none, if the product wrote
  that his line died before the voices met: the call and its card went on to the next. A voice is one in any case.
- `orphan_recordings`: files without a call that has one, and answered calls without a file, once the sweeper had its time.
- `unknown`: attempts whose end nobody found. Goal: at most 0.2 a kill, each claimed less than 2 s before a fault began or
  while it lasted.
- `slowest_recovery_s`: the longest time from the end of a fault (a kill is over when the process is dead; its restart is
  ours) until a new call reaches the far end, with the agents that it needs free again. A fault that comes before the
  recovery from another begins the time anew. The time until all agents are free at the end of the run counts too.

Goals: 0 for the six counts between `tasks` and `unknown`, and a recovery within 30 s. Exit code 1 when one is missed; then
each offending call is told with its reason.
"""

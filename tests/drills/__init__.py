"""Drills (FL-13, FL-14): a restore and an upgrade with robot agents at work on a real Asterisk; the far end is the truth."""

"""Who may be called now and in which order: judging each case, the queue that events refill, learned hours and chances."""

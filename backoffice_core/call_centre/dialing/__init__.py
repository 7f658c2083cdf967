"""How a campaign dials: its terms and lists, the pacer's account, answering machines, shelter and stop."""

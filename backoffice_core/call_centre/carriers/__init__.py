"""The ways out: trunks with their breakers and money, caller ids with their accounts, networks' announcements."""

"""Labelled traffic: seeded calls of many series, with incidents and look-alikes whose place is known."""

"""Accounts: who people are, and the tokens by which every service knows them."""

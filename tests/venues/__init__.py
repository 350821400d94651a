"""Venues on loopback: programs that speak as OANDA and Coinbase do, to test live trading and any foreign client against."""

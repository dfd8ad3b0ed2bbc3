"""What tests of every package share: strategies, contract suites, a real broker."""

"""The trial's rules as pure functions of facts, protocol rules and a moment; stdlib only."""

"""The parts that several pages share."""

"""Whether more workers serve more calls: the same service with one, two and four of them."""

"""Whether the road in a picture is dry or wet."""

"""AWS: the identity, the endpoint, the calls, and what their failures mean."""

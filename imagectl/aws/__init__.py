"""AWS: whom to call, the calls, and what their failures mean."""

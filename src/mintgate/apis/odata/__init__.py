"""OData v4: addresses, query options, bodies and documents. It knows HTTP's words and no SQL."""

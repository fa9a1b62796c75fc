"""Requirements: what a query asks for, taken apart into parts that can be checked one by one."""

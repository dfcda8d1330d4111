// Its presence lets refresh.go declare functions without a body.

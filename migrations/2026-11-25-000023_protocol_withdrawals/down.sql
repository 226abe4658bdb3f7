DROP TABLE protocol_withdrawals;

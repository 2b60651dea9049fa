package llmtest

import "strings"

// Secret is something that must not leave, as a system would show it.
type Secret struct {
	Kind string
	Text string // in which it stands
	Core string // of which nothing may be left
}

// Secrets are of all kinds. They are put together at run time, so that this file holds nothing that looks like a key to those who search for
// some.
func Secrets() []Secret {
	j := func(parts ...string) string { return strings.Join(parts, "") }
	alnum := "Zq8vT3nLx0Rw5KyB7mGd2HsJ9fPc4UaE6iYo1XtN"
	return []Secret{
		{"AWS key id", "using AK" + "IAQ7X4MZ2RTPLWJ5KD for s3", "Q7X4MZ2RTPLWJ5KD"},
		{"AWS secret key, named", j("aws_secret_access_key = wJalr", "XUtnFEMI/K7MDENG/bPxRfiCYzzTESTKEYZZ"), "XUtnFEMI/K7MDENG"},
		{"AWS secret key, bare", j("signed with wJalr", "XUtn8EMI5K7MDENG2bPxRfiCYzz3ESTKEYq9 just now"), "XUtn8EMI5K7MDENG"},
		{"AWS session token", j("x-amz-security-token: FwoGZXIvYXdzE", "Bk2dQ9xLmN8rT4vW7yZ0aB3cD6eF"), "Bk2dQ9xLmN8rT4vW7yZ0"},
		{"Google API key", j("https://maps.googleapis.com/x?key=AI", "zaSyD4k8Lm2Qp9Rt6Vw3Xz7Bn1Cj5Hf0Gs"), "SyD4k8Lm2Qp9Rt6Vw3Xz7Bn1"},
		{"Google OAuth token", j("ya", "29.a0AfH6SMBx7Kq2Lp9Zr4Tn8Wv1Yc5"), "a0AfH6SMBx7Kq2Lp9Zr4"},
		{"Google service account", j(`{"type":"service_account","private_key_id":"4f1d9c2b7a6e8035", "private_key":"-----BEGIN PRIV`, `ATE KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASC\n-----END PRIV`, `ATE KEY-----\n"}`), "kiG9w0BAQEFAASC"},
		{"Azure storage key", j("DefaultEndpointsProtocol=https;AccountName=shop;Account", "Key=", alnum, "8s7d6f5g4h3j==;EndpointSuffix=core.windows.net"), alnum},
		{"Azure SAS", j("https://shop.blob.core.windows.net/c?sv=2022&s", "ig=Kx9%2BvT3nLx0Rw5KyB7mGd%3D&se=2026"), "Kx9%2BvT3nLx0Rw5KyB7mGd"},
		{"GitHub token", j("gh", "p_", alnum[:36]), alnum[:36]},
		{"GitHub fine-grained token", j("github", "_pat_11ABCDEFG0", alnum[:30]), alnum[:30]},
		{"GitLab token", j("gl", "pat-x9Kq2Lp7Zr4Tn8Wv1Yc5"), "x9Kq2Lp7Zr4Tn8Wv1Yc5"},
		{"Slack token", j("xo", "xb-123456789012-abcdefGHIJKL"), "123456789012-abcdefGHIJKL"},
		{"Slack webhook", j("https://hooks.sl", "ack.com/services/T024F/B09Q/x9Kq2Lp7Zr4Tn8"), "x9Kq2Lp7Zr4Tn8"},
		{"Stripe key", j("sk_", "live_51Kq2Lp7Zr4Tn8Wv1Yc5Bd"), "51Kq2Lp7Zr4Tn8Wv1Yc5Bd"},
		{"OpenAI key", j("sk", "-proj-x9Kq2Lp7Zr4Tn8Wv1Yc5_AbCd"), "x9Kq2Lp7Zr4Tn8Wv1Yc5"},
		{"Anthropic key", j("sk", "-ant-api03-x9Kq2Lp7Zr4Tn8Wv1Yc5-AA"), "x9Kq2Lp7Zr4Tn8Wv1Yc5"},
		{"npm token", j("//registry.npmjs.org/:_authToken=np", "m_", alnum[:36]), alnum[:36]},
		{"Hugging Face token", j("h", "f_", alnum[:30]), alnum[:30]},
		{"Telegram bot", j("bot 123456789:A", "AH", alnum[:33]), alnum[:33]},
		{"JWT", j("ey", "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g"), "dBjftJeZ4CVPmB92K27"},
		{"RSA private key", j("-----BEGIN RSA PRIV", "ATE KEY-----\nMIIEowIBAAKCAQEAx7Kq\nabcd\n-----END RSA PRIV", "ATE KEY-----"), "MIIEowIBAAKCAQEAx7Kq"},
		{"OpenSSH key, cut off", j("-----BEGIN OPENSSH PRIV", "ATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"), "b3BlbnNzaC1rZXktdjEAAAAA"},
		{"PGP key", j("-----BEGIN PGP PRIV", "ATE KEY BLOCK-----\n\nlQOYBGNx\n-----END PGP PRIV", "ATE KEY BLOCK-----"), "lQOYBGNx"},
		{"password in a URL", "connect postgres://shop:hunter2secret@db/shop_prod failed", "hunter2secret"},
		{"password in a URL of Redis", "redis://:hunter2secret@cache:6379/0", "hunter2secret"},
		{"key=value log", "level=info user=x password=hunter2secret took=5ms", "hunter2secret"},
		{"with odd characters", "password=hun,ter2;se&cret! took=5", "ter2;se&cret!"},
		{"quoted", `db_password: "hunter2 secret" pool=5`, "hunter2 secret"},
		{"in JSON", `{"user":"x","dbPassword":"hunter2secret","n":5}`, "hunter2secret"},
		{"in escaped JSON", `body "{\"api_key\":\"hunter2secret\",\"n\":1}"`, "hunter2secret"},
		{"as a number", `{"pin": 482913, "n": 5}`, "482913"},
		{"Elixir map", `%{"password" => "hunter2secret", "n" => 1}`, "hunter2secret"},
		{"Elixir keywords", `[username: "x", password: "hunter2secret", pool_size: 10]`, "hunter2secret"},
		{"Erlang tuple", `[{user,<<"x">>},{password,<<"hunter2secret">>},{n,1}]`, "hunter2secret"},
		{"Erlang map", `#{secret_key_base => <<"hunter2secret">>}`, "hunter2secret"},
		{"Go struct", `{User:x Password:hunter2secret N:5}`, "hunter2secret"},
		{"environment", "SECRET_KEY_BASE=hunter2secret PORT=4000", "hunter2secret"},
		{"command line", "psql --host db --password hunter2secret -p 5432", "hunter2secret"},
		{"command line with =", "--api-key=hunter2secret --n=5", "hunter2secret"},
		{"Erlang cookie", "erl -name shop@host -setcookie HUNTERSECRET -noshell", "HUNTERSECRET"},
		{"name and value", `{"name":"DB_PASSWORD","value":"hunter2secret"}`, "hunter2secret"},
		{"name and value, in a text", `env: [{"name": "DB_PASSWORD", "value": "hunter2secret"}]`, "hunter2secret"},
		{"Basic authorization", j("Authorization: Ba", "sic c2hvcDpodW50ZXIyc2VjcmV0"), "c2hvcDpodW50ZXIyc2VjcmV0"},
		{"Bearer", j("curl -H 'authorization: Bea", "rer hunter2secrettoken'"), "hunter2secrettoken"},
		{"another authorization", "Authorization: Token hunter2secrettoken\nAccept: */*", "hunter2secrettoken"},
		{"header as a tuple", `{"authorization", "Token hunter2secrettoken"}`, "hunter2secrettoken"},
		{"Cookie", "Cookie: _shop_key=SFMyNTYxg3QAAAAB; theme=dark", "SFMyNTYxg3QAAAAB"},
		{"Set-Cookie", "set-cookie: session=abcdef123456; Path=/; HttpOnly", "abcdef123456"},
		{"card", "paid with 4111 1111 1111 1111 today", "1111 1111"},
		{"card without spaces", "card=5500005555555559", "5500005555555559"},
		{"card of 15 digits", "amex 3782-822463-10005", "822463"},
		{"IBAN", "to DE89 3704 0044 0532 0130 00 for rent", "0532 0130"},
		{"social security number", "ssn 078-05-1120", "078-05-1120"},
		{"bcrypt", "hash $2b$12$" + "KIXQm9d8fE7gH6iJ5kL4mOeR3sT2uV1wX0yZaBcDeFgHiJkLmNoPq", "KIXQm9d8fE7gH6iJ5kL4m"},
		{"argon2", "$argon2id$v=19$m=65536,t=3,p=4$" + "c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG", "RdescudvJCsgt3ub"},
		{"LDAP hash", "userPassword: {SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "W6ph5Mm5Pz8GgiULbPgzG37mj9g"},
		{"hex key", "datadog 3f8a91c04be27d65a0f1c8e93b7d24f6 ok", "3f8a91c04be27d65a0f1c8e93b7d24f6"},
		{"base64 by chance", "seed " + alnum + " used", alnum},
		{"e-mail", "mail to anna.berg@example.org bounced", "anna.berg"},
	}
}

// SPDX-License-Identifier: BSD-3-Clause
//
// A broker's side of MSK's IAM: takes the tokens that such a broker takes, a presigned kafka-cluster:Connect in base64url,
// and no others: the signature is made again here, by java.security alone, from the secret that the broker was started
// with (-Dmsk.key, -Dmsk.secret, -Dmsk.region).
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.*;

public class MskTokens implements AuthenticateCallbackHandler {
	public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}
	public void close() {}

	public void handle(Callback[] callbacks) {
		for (Callback c : callbacks)
			if (c instanceof OAuthBearerValidatorCallback v)
				try {
					v.token(token(v.tokenValue()));
				} catch (Exception e) {
					System.err.println("MskTokens: refused: " + e);
					v.error("invalid_token", null, null);
				}
	}

	static byte[] hmac(byte[] key, String text) throws Exception {
		Mac mac = Mac.getInstance("HmacSHA256");
		mac.init(new SecretKeySpec(key, "HmacSHA256"));
		return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
	}

	static String hex(byte[] b) {
		return HexFormat.of().formatHex(b);
	}

	static String sha256(String s) throws Exception {
		return hex(MessageDigest.getInstance("SHA-256").digest(s.getBytes(StandardCharsets.UTF_8)));
	}

	static void must(boolean ok, String what) {
		if (!ok)
			throw new IllegalArgumentException(what);
	}

	static OAuthBearerToken token(String value) throws Exception {
		String key = System.getProperty("msk.key"), region = System.getProperty("msk.region");
		URI url = new URI(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
		TreeMap<String, String> raw = new TreeMap<>();
		for (String pair : url.getRawQuery().split("&"))
			must(raw.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1)) == null, "twice");
		Map<String, String> q = new HashMap<>();
		raw.forEach((n, v) -> q.put(n, URLDecoder.decode(v, StandardCharsets.UTF_8)));
		String host = "kafka." + region + ".amazonaws.com", date = q.get("X-Amz-Date"), day = date.substring(0, 8);
		String scope = day + "/" + region + "/kafka-cluster/aws4_request";
		must(url.getScheme().equals("https") && url.getHost().equals(host) && url.getPath().equals("/"), "where");
		must(q.get("Action").equals("kafka-cluster:Connect"), "action");
		must(q.get("X-Amz-Credential").equals(key + "/" + scope), "credential");
		must(q.get("X-Amz-SignedHeaders").equals("host") && q.get("X-Amz-Expires").equals("900"), "form");
		must(q.get("User-Agent") != null, "who");
		raw.remove("User-Agent");
		String signature = raw.remove("X-Amz-Signature");
		StringJoiner query = new StringJoiner("&");
		raw.forEach((n, v) -> query.add(n + "=" + v));
		String canonical = "GET\n/\n" + query + "\nhost:" + host + "\n\nhost\n" + sha256("");
		byte[] k = ("AWS4" + System.getProperty("msk.secret")).getBytes(StandardCharsets.UTF_8);
		for (String part : scope.split("/"))
			k = hmac(k, part);
		must(hex(hmac(k, "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sha256(canonical))).equals(signature), "signature");
		long from = Instant.from(DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmssX").parse(date)).toEpochMilli();
		must(Math.abs(System.currentTimeMillis() - from) < 300_000, "clock");
		return new OAuthBearerToken() {
			public String value() { return value; }
			public Set<String> scope() { return Set.of(); }
			public long lifetimeMs() { return from + 900_000; }
			public String principalName() { return key; }
			public Long startTimeMs() { return from; }
		};
	}
}

// Users of the test server: made by createUser in a database, authenticated by SCRAM-SHA-256 (RFC 7677) as mongod does it.
// As a mongod without --auth, it lets everyone do everything; but who gives a name and a wrong password is refused.
import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

class Users {
    static final int ITERATIONS = 4096;

    record User(byte[] salt, byte[] storedKey, byte[] serverKey) {}
    record Conversation(User user, String clientFirst, String serverFirst) {}

    static final Map<String, User> USERS = new ConcurrentHashMap<>();
    static final Map<Integer, Conversation> CONVERSATIONS = new ConcurrentHashMap<>();
    static final AtomicInteger IDS = new AtomicInteger();

    /** The reply to a command that is about users; null to any other. */
    static Document answer(String db, String command, Document q) {
        try {
            switch (command.toLowerCase()) {
                case "createuser":
                    USERS.put(db + "." + q.get("createUser"), user((String) q.get("pwd")));
                    return new Document("ok", 1.0);
                case "dropuser":
                    USERS.remove(db + "." + q.get("dropUser"));
                    return new Document("ok", 1.0);
                case "saslstart":
                    return start(db, text(q));
                case "saslcontinue":
                    return finish(((Number) q.get("conversationId")).intValue(), text(q));
                default:
                    return null;
            }
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    static User user(String password) throws GeneralSecurityException {
        byte[] salt = random(16);
        PBEKeySpec spec = new PBEKeySpec(password.toCharArray(), salt, ITERATIONS, 256);
        byte[] salted = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
        byte[] stored = MessageDigest.getInstance("SHA-256").digest(hmac(salted, "Client Key"));
        return new User(salt, stored, hmac(salted, "Server Key"));
    }

    static Document start(String db, String payload) {
        String first = payload.substring("n,,".length());           // n=NAME,r=NONCE
        User user = USERS.get(db + "." + first.substring(2, first.indexOf(",r=")));
        if (user == null) throw refused();
        String nonce = first.substring(first.indexOf(",r=") + 3) + base64(random(18));
        String reply = "r=" + nonce + ",s=" + base64(user.salt()) + ",i=" + ITERATIONS;
        int id = IDS.incrementAndGet();
        CONVERSATIONS.put(id, new Conversation(user, first, reply));
        return reply(id, false, reply);
    }

    static Document finish(int id, String payload) throws GeneralSecurityException {
        Conversation c = CONVERSATIONS.remove(id);
        int at = payload.lastIndexOf(",p=");
        String signed = c.clientFirst() + "," + c.serverFirst() + "," + payload.substring(0, at);
        byte[] key = hmac(c.user().storedKey(), signed), proof = Base64.getDecoder().decode(payload.substring(at + 3));
        for (int i = 0; i < key.length; i++) key[i] ^= proof[i];
        if (!MessageDigest.isEqual(MessageDigest.getInstance("SHA-256").digest(key), c.user().storedKey())) throw refused();
        return reply(id, true, "v=" + base64(hmac(c.user().serverKey(), signed)));
    }

    static Document reply(int id, boolean done, String payload) {
        return new Document("conversationId", id).append("done", done)
            .append("payload", new BinData(payload.getBytes(StandardCharsets.UTF_8))).append("ok", 1.0);
    }

    static MongoServerError refused() {
        return new MongoServerError(18, "AuthenticationFailed", "Authentication failed.");
    }

    static String text(Document q) {
        Object payload = q.get("payload");
        return new String(payload instanceof BinData b ? b.getData() : (byte[]) payload, StandardCharsets.UTF_8);
    }

    static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    static byte[] random(int n) {
        byte[] bytes = new byte[n];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }

    static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}

// A server of MongoDB's wire protocol for the tests, on mongo-java-server; in memory, or in a file where one is named.
// usage: java -Djava.util.Arrays.useLegacyMergeSort=true -cp '.:*' Main HOST PORT [FILE]
// PORT 0 takes a free port; the address is printed. It ends when its standard input does: it never outlives the tests.
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.AbstractMongoBackend;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.wire.bson.BsonEncoder;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.h2.mvstore.MVStore;

public class Main {
    // The library's own versions stop at wire version 8; PyMongo 4.14+ wants 9 (MongoDB 4.4) or more.
    enum Version implements MongoVersion {
        V;
        public List<Integer> getVersionArray() { return List.of(5, 0, 0); }
        public int getWireVersion() { return 13; }
    }

    interface Call { Document run(String command, Document query); }

    // Replies are cut as mongod cuts them: 101 documents in a first batch, 16 MB in any. (The library sends
    // everything that matches in one reply, and clients refuse more than 48 MB.)
    record Rest(Object ns, Deque<Document> documents, boolean last) {}
    static final Map<Long, Rest> RESTS = new ConcurrentHashMap<>();
    static final AtomicLong IDS = new AtomicLong(1L << 40);

    static Document cut(Document reply, Document q, long sameId) {
        if (!(reply.get("cursor") instanceof Document cursor)) return reply;
        String key = cursor.containsKey("firstBatch") ? "firstBatch" : "nextBatch";
        Object size = q.get("cursor") instanceof Document c ? c.get("batchSize") : q.get("batchSize");
        int most = size instanceof Number n ? n.intValue() : key.equals("firstBatch") ? 101 : Integer.MAX_VALUE;
        Deque<Document> rest = new ArrayDeque<>();
        for (Object o : (Iterable<?>) cursor.get(key)) rest.add((Document) o);
        long id = ((Number) cursor.get("id")).longValue();
        return batch(cursor, key, rest, id == 0, most, id != 0 ? id : sameId);
    }

    static Document batch(Document cursor, String key, Deque<Document> rest, boolean last, int most, long id) {
        List<Document> out = new ArrayList<>();
        for (long bytes = 0; !rest.isEmpty() && out.size() < most; out.add(rest.poll()))
            if ((bytes += bytesOf(rest.peek())) > 16_000_000 && !out.isEmpty()) break;
        if (!rest.isEmpty() && id == 0) id = IDS.incrementAndGet();
        if (!rest.isEmpty()) RESTS.put(id, new Rest(cursor.get("ns"), rest, last));
        cursor.put(key, out);
        cursor.put("id", rest.isEmpty() && last ? 0L : id);
        return new Document("cursor", cursor).append("ok", 1.0);
    }

    static int bytesOf(Document d) {
        ByteBuf b = Unpooled.buffer();
        BsonEncoder.encodeDocument(d, b);
        return b.readableBytes();
    }

    static Document handle(String command, Document q, Call call) {
        switch (command.toLowerCase()) {
            case "find":
                return Boolean.TRUE.equals(q.get("singleBatch")) ? answer(command, q, call) : cut(answer(command, q, call), q, 0);
            case "aggregate":
                return cut(answer(command, q, call), q, 0);
            case "getmore": {
                long id = ((Number) q.get("getMore")).longValue();
                Rest r = RESTS.remove(id);
                if (r == null) return cut(answer(command, q, call), q, id);
                int most = q.get("batchSize") instanceof Number n && n.intValue() > 0 ? n.intValue() : Integer.MAX_VALUE;
                return batch(new Document("ns", r.ns()).append("id", id), "nextBatch", r.documents(), r.last(), most, id);
            }
            case "killcursors":
                for (Object o : (Iterable<?>) q.get("cursors")) RESTS.remove(((Number) o).longValue());
                return answer(command, q, call);
            default:
                return answer(command, q, call);
        }
    }

    // What the library lacks and clients ask for.
    static Document answer(String command, Document q, Call call) {
        if (q.containsKey("startTransaction") || q.containsKey("autocommit"))   // as a standalone mongod answers
            throw new MongoServerError(20, "IllegalOperation",
                "Transaction numbers are only allowed on a replica set member or mongos");
        switch (command.toLowerCase()) {
            case "hello": {
                Document d = call.run("isMaster", q);
                d.put("isWritablePrimary", true);
                d.put("logicalSessionTimeoutMinutes", 30);      // sessions: accepted, not isolated
                return d;
            }
            case "ismaster": {
                Document d = call.run(command, q);
                d.put("logicalSessionTimeoutMinutes", 30);
                return d;
            }
            case "endsessions":
                return new Document("ok", 1.0);
            case "insert": {                                    // n must not count the failed documents
                Document d = call.run(command, q);
                Object e = d.get("writeErrors"), docs = q.get("documents");
                if (e instanceof List<?> errors && docs instanceof List<?> all && Boolean.FALSE.equals(q.get("ordered")))
                    d.put("n", all.size() - errors.size());
                return d;
            }
            case "aggregate": {
                Document first = null;
                List<Object> pipeline = new ArrayList<>();
                for (Object o : (Iterable<?>) q.get("pipeline")) {
                    Document stage = (Document) o;
                    if (stage.containsKey("$set"))              // an alias
                        stage = new Document("$addFields", stage.get("$set"));
                    if (first == null) first = stage;
                    pipeline.add(stage);
                }
                if (first != null && first.containsKey("$changeStream"))
                    throw new MongoServerError(40573, "Location40573",
                        "The $changeStream stage is only supported on replica sets");
                if (first != null && first.containsKey("$collStats")) {
                    Document stats = call.run("collStats", new Document("collStats", q.get("aggregate")));
                    long count = ((Number) stats.get("count")).longValue(), size = ((Number) stats.get("size")).longValue();
                    Document storage = new Document("size", size).append("count", count)
                        .append("avgObjSize", count == 0 ? 0 : size / count).append("storageSize", size);
                    Document out = new Document("ns", stats.get("ns")).append("count", count).append("storageStats", storage);
                    if (pipeline.size() > 1)                    // the Spark connector's $project
                        out = new Document("size", size).append("count", count);
                    return new Document("cursor", new Document("id", 0L).append("ns", stats.get("ns"))
                        .append("firstBatch", List.of(out))).append("ok", 1.0);
                }
                q.put("pipeline", pipeline);
                return call.run(command, q);
            }
            case "listcollections": {                           // the filter on the name
                Document d = call.run(command, q);
                if (q.get("filter") instanceof Document f && f.get("name") instanceof String name) {
                    Document cursor = (Document) d.get("cursor");
                    List<Object> kept = new ArrayList<>();
                    for (Object o : (Iterable<?>) cursor.get("firstBatch"))
                        if (name.equals(((Document) o).get("name"))) kept.add(o);
                    cursor.put("firstBatch", kept);
                }
                return d;
            }
            default:
                return call.run(command, q);
        }
    }

    static Document reply(String db, String command, Document q, Call call) {
        Document reply = Users.answer(db, command, q);
        return reply != null ? reply : handle(command, q, call);
    }

    static class Memory extends MemoryBackend {
        @Override public Document handleCommand(Channel c, String db, String command, Document q) {
            return Main.reply(db, command, q, (cmd, query) -> super.handleCommand(c, db, cmd, query));
        }
    }

    // The file is written as often as mongod's journal, and only between commands: what is in it is whole, indexes too.
    static class OnDisk extends H2Backend {
        static final int JOURNAL_MS = 100;
        final ReadWriteLock commands = new ReentrantReadWriteLock();

        OnDisk(String file) {
            super(new MVStore.Builder().fileName(file).autoCommitDisabled().open());
            Thread writer = new Thread(this::keepWriting);
            writer.setDaemon(true);
            writer.start();
        }

        void keepWriting() {
            try {
                for (; !getMvStore().isClosed(); commit()) Thread.sleep(JOURNAL_MS);
            } catch (Throwable e) {
                e.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }

        @Override public void commit() {
            commands.writeLock().lock();
            try {
                if (!getMvStore().isClosed()) super.commit();
            } finally {
                commands.writeLock().unlock();
            }
        }

        @Override public Document handleCommand(Channel c, String db, String command, Document q) {
            Document reply;
            commands.readLock().lock();
            try {
                reply = command.equalsIgnoreCase("fsync") ? new Document("numFiles", 1).append("ok", 1.0)
                    : Main.reply(db, command, q, (cmd, query) -> super.handleCommand(c, db, cmd, query));
            } finally {
                commands.readLock().unlock();
            }
            boolean journaled = q.get("writeConcern") instanceof Document concern && Boolean.TRUE.equals(concern.get("j"));
            if (journaled || command.equalsIgnoreCase("fsync")) commit();
            return reply;
        }
    }

    public static void main(String[] a) throws Exception {
        AbstractMongoBackend backend = a.length > 2 ? new OnDisk(a[2]) : new Memory();
        backend.version(Version.V);
        MongoServer server = new MongoServer(backend);
        server.bind(a[0], Integer.parseInt(a[1]));
        System.out.println("ready " + server.getConnectionString());
        while (System.in.read() >= 0) continue;
        server.shutdownNow();
    }
}

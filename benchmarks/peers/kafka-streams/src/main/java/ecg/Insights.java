package ecg;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessageUnpacker;

/** Kafka Streams: maps submissions to insights and stores them in a table with a changelog. */
public final class Insights {
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Lead(String name, long[] signal) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Ecg(String id, String username, List<Lead> leads) {}

    record Count(String name, @JsonProperty("number_of_zero_crossings") int crossings) {}

    record Row(@JsonProperty("ecg_id") String id, String username, List<Count> leads) {}

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final boolean PACKED = System.getenv("BENCH_PACKED").equals("1");

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("BENCH_GROUP"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BENCH_SERVERS"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("BENCH_DIR"));
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.producerPrefix("acks"), "all");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");

        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(System.getenv("BENCH_TOPIC"), Consumed.with(Serdes.Bytes(), Serdes.ByteArray()))
                .mapValues(Insights::row)
                .toTable(Materialized.<Bytes, byte[], KeyValueStore<Bytes, byte[]>>as("insights")
                        .withKeySerde(Serdes.Bytes())
                        .withValueSerde(Serdes.ByteArray())
                        .withCachingDisabled());
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static byte[] row(byte[] message) {
        try {
            Ecg ecg = PACKED ? unpack(message) : JSON.readValue(message, Ecg.class);
            List<Count> counts = new ArrayList<>();
            for (Lead lead : ecg.leads()) {
                counts.add(new Count(lead.name(), zeroCrossings(lead.signal())));
            }
            return JSON.writeValueAsBytes(new Row(ecg.id(), ecg.username(), counts));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static int zeroCrossings(long[] signal) {
        int count = 0;
        for (int i = 1; i < signal.length; i++) {
            int before = Long.signum(signal[i - 1]);
            if (before != 0 && before != Long.signum(signal[i])) {
                count++;
            }
        }
        return count;
    }

    private static Ecg unpack(byte[] message) throws IOException {
        String id = null;
        String username = null;
        List<Lead> leads = new ArrayList<>();
        try (MessageUnpacker unpacker = MessagePack.newDefaultUnpacker(message)) {
            for (int fields = unpacker.unpackMapHeader(); fields > 0; fields--) {
                switch (unpacker.unpackString()) {
                    case "id" -> id = unpacker.unpackString();
                    case "username" -> username = unpacker.unpackString();
                    case "leads" -> {
                        for (int count = unpacker.unpackArrayHeader(); count > 0; count--) {
                            leads.add(lead(unpacker));
                        }
                    }
                    default -> unpacker.skipValue();
                }
            }
        }
        return new Ecg(id, username, leads);
    }

    private static Lead lead(MessageUnpacker unpacker) throws IOException {
        String name = null;
        String dtype = null;
        ByteBuffer raw = null;
        for (int fields = unpacker.unpackMapHeader(); fields > 0; fields--) {
            switch (unpacker.unpackString()) {
                case "name" -> name = unpacker.unpackString();
                case "dtype" -> dtype = unpacker.unpackString();
                case "signal" -> raw = unpacker.readPayloadAsReference(unpacker.unpackBinaryHeader()).sliceAsByteBuffer();
                default -> unpacker.skipValue();
            }
        }
        return new Lead(name, samples(dtype, raw.order(ByteOrder.LITTLE_ENDIAN)));
    }

    private static long[] samples(String dtype, ByteBuffer raw) {
        int width = Integer.parseInt(dtype.substring("int".length())) / 8;
        long[] signal = new long[raw.remaining() / width];
        for (int i = 0; i < signal.length; i++) {
            signal[i] = switch (width) {
                case 1 -> raw.get(i);
                case 2 -> raw.getShort(2 * i);
                case 4 -> raw.getInt(4 * i);
                default -> raw.getLong(8 * i);
            };
        }
        return signal;
    }
}

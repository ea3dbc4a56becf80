"""Caffe's own messages, from the field numbers of its caffe.proto, for protobuf's Python library.

Only the fields that image classifiers use. https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

F = descriptor_pb2.FieldDescriptorProto
KINDS = {"int32": F.TYPE_INT32, "int64": F.TYPE_INT64, "uint32": F.TYPE_UINT32, "float": F.TYPE_FLOAT, "double": F.TYPE_DOUBLE, "string": F.TYPE_STRING, "bool": F.TYPE_BOOL}

MESSAGES = {
    "BlobShape": ["packed int64 dim 1"],
    "BlobProto": ["BlobShape shape 7", "packed float data 5", "packed float diff 6", "packed double double_data 8", "int32 num 1", "int32 channels 2", "int32 height 3", "int32 width 4"],
    "ConvolutionParameter": ["uint32 num_output 1", "bool bias_term 2", "repeated uint32 pad 3", "repeated uint32 kernel_size 4", "repeated uint32 stride 6", "uint32 group 5"],
    "V1ConvolutionParameter": ["uint32 num_output 1", "bool bias_term 2", "uint32 pad 3", "uint32 kernel_size 4", "uint32 stride 6", "uint32 group 5"],
    "PoolingParameter": ["int32 pool 1", "uint32 kernel_size 2", "uint32 stride 3", "int32 round_mode 13"],
    "InnerProductParameter": ["uint32 num_output 1", "bool bias_term 2"],
    "LRNParameter": ["uint32 local_size 1", "float alpha 2", "float beta 3", "float k 5"],
    "BatchNormParameter": ["bool use_global_stats 1", "float moving_average_fraction 2", "float eps 3"],
    "DropoutParameter": ["float dropout_ratio 1"],
    "ScaleParameter": ["bool bias_term 4"],
    "LayerParameter": ["string name 1", "string type 2", "repeated string bottom 3", "repeated string top 4", "repeated BlobProto blobs 7", "ConvolutionParameter convolution_param 106", "DropoutParameter dropout_param 108", "InnerProductParameter inner_product_param 117", "LRNParameter lrn_param 118", "PoolingParameter pooling_param 121", "BatchNormParameter batch_norm_param 139", "ScaleParameter scale_param 142"],
    "V1LayerParameter": ["repeated string bottom 2", "repeated string top 3", "string name 4", "int32 type 5", "repeated BlobProto blobs 6", "V1ConvolutionParameter convolution_param 10", "InnerProductParameter inner_product_param 17", "PoolingParameter pooling_param 19"],
    "NetParameter": ["string name 1", "repeated V1LayerParameter layers 2", "repeated string input 3", "repeated int32 input_dim 4", "repeated LayerParameter layer 100"],
}
# V1LayerParameter.LayerType
CONVOLUTION, DROPOUT, INNER_PRODUCT, POOLING, RELU, SOFTMAX = 4, 6, 14, 17, 18, 20


def _build():
    file = descriptor_pb2.FileDescriptorProto(name="caffe_subset.proto", package="caffe", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields:
            *label, kind, field, number = text.split()
            entry = message.field.add(name=field, number=int(number))
            entry.label = F.LABEL_REPEATED if label else F.LABEL_OPTIONAL
            if kind in KINDS:
                entry.type = KINDS[kind]
            else:
                entry.type, entry.type_name = F.TYPE_MESSAGE, f".caffe.{kind}"
            if label == ["packed"]:
                entry.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


NetParameter = _build()
